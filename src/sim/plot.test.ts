import { describe, expect, it } from 'vitest';
import { plot } from './plot.ts';

describe('plot', () => {
  const chart = {
    title: 'a < b & c',
    x: { label: 'hosts', log: true },
    y: { label: 'ratio', from: 1, to: 2 },
    series: [
      {
        name: 'one',
        points: [
          [1, 1],
          [10, 1.5],
          [100, 2],
        ] as const,
      },
    ],
    line: { y: 1.25, name: 'bound' },
  };

  it('puts the ends of a curve into the corners of the frame', () => {
    const svg = plot(chart);
    expect(svg).toContain('M70.0 348.0');
    expect(svg).toContain('L550.0 44.0');
  });

  it('lets no text end the picture', () => {
    expect(plot(chart)).toContain('a &lt; b &amp; c');
    expect(plot(chart)).not.toContain('a < b');
  });
});

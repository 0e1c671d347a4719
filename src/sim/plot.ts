/** Curves as a picture that stands by itself: SVG text from numbers, light and dark. */

export type Axis = { readonly label: string; readonly log?: boolean; readonly from?: number; readonly to?: number };
export type Series = { readonly name: string; readonly points: readonly (readonly [x: number, y: number])[] };
export type Chart = {
  readonly title: string;
  readonly x: Axis;
  readonly y: Axis;
  readonly series: readonly Series[];
  /** A horizontal line: the bound. */
  readonly line?: { readonly y: number; readonly name: string };
};

const WIDTH = 720;
const HEIGHT = 400;
const LEFT = 70;
const RIGHT = 170;
const TOP = 44;
const BOTTOM = 52;
const COLOURS = ['#2563eb', '#d97706', '#059669', '#db2777', '#7c3aed', '#475569'];
const TICKS = 6;

type Scale = { readonly from: number; readonly to: number; readonly log: boolean; at(value: number): number };

export function plot(chart: Chart): string {
  const points = chart.series.flatMap((series) => series.points);
  const extra = chart.line === undefined ? [] : [chart.line.y];
  const x = scale(
    chart.x,
    points.map(([value]) => value),
    LEFT,
    WIDTH - RIGHT,
  );
  const y = scale(chart.y, [...points.map(([, value]) => value), ...extra], HEIGHT - BOTTOM, TOP);
  const parts = [
    `<text x="${LEFT}" y="24" font-size="15" font-weight="600">${asText(chart.title)}</text>`,
    ...ticks(x).map((value) => vertical(value, x)),
    ...ticks(y).map((value) => horizontal(value, y)),
    `<text x="${(LEFT + WIDTH - RIGHT) / 2}" y="${HEIGHT - 12}" text-anchor="middle">${asText(chart.x.label)}</text>`,
    `<text transform="translate(18 ${(TOP + HEIGHT - BOTTOM) / 2}) rotate(-90)" text-anchor="middle">${asText(chart.y.label)}</text>`,
    ...chart.series.flatMap((series, at) => curve(series, at, x, y)),
    ...(chart.line === undefined ? [] : boundLine(chart.line, chart.series.length, y)),
  ];
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="system-ui, sans-serif" font-size="12">`,
    '<style>text{fill:#111827}.grid{stroke:#e5e7eb}.frame{fill:#ffffff}@media(prefers-color-scheme:dark){text{fill:#e5e7eb}.grid{stroke:#374151}.frame{fill:#111827}}</style>',
    `<rect class="frame" width="${WIDTH}" height="${HEIGHT}"/>`,
    ...parts,
    '</svg>',
    '',
  ].join('\n');
}

function scale(axis: Axis, values: readonly number[], start: number, end: number): Scale {
  const from = axis.from ?? Math.min(...values);
  const most = axis.to ?? Math.max(...values);
  const to = most > from ? most : from + 1;
  const log = axis.log ?? false;
  const warp = (value: number): number => (log ? Math.log(value) : value);
  const at = (value: number): number => start + ((warp(value) - warp(from)) / (warp(to) - warp(from))) * (end - start);
  return { from, to, log, at };
}

function ticks({ from, to, log }: Scale): number[] {
  const list: number[] = [];
  if (log) {
    for (let value = 10 ** Math.ceil(Math.log10(from)); value <= to; value *= 10) list.push(value);
    return list.length > 1 ? list : [from, to];
  }
  const rough = (to - from) / TICKS;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 5, 10].find((factor) => factor * power >= rough) ?? 10);
  for (let i = Math.ceil(from / step - 1e-9); i * step <= to * (1 + 1e-9); i++)
    list.push(Number((i * step).toPrecision(12)));
  return list;
}

function vertical(value: number, x: Scale): string {
  const at = x.at(value).toFixed(1);
  return `<path class="grid" d="M${at} ${TOP}V${HEIGHT - BOTTOM}"/><text x="${at}" y="${HEIGHT - BOTTOM + 18}" text-anchor="middle">${value}</text>`;
}

function horizontal(value: number, y: Scale): string {
  const at = y.at(value).toFixed(1);
  return `<path class="grid" d="M${LEFT} ${at}H${WIDTH - RIGHT}"/><text x="${LEFT - 8}" y="${Number(at) + 4}" text-anchor="end">${value}</text>`;
}

function curve({ name, points }: Series, index: number, x: Scale, y: Scale): string[] {
  const colour = COLOURS[index % COLOURS.length] ?? '#000000';
  const path = points.map(([px, py], i) => `${i === 0 ? 'M' : 'L'}${x.at(px).toFixed(1)} ${y.at(py).toFixed(1)}`);
  const dots = points.length > 24 ? [] : points;
  return [
    `<path d="${path.join('')}" fill="none" stroke="${colour}" stroke-width="2"/>`,
    ...dots.map(
      ([px, py]) => `<circle cx="${x.at(px).toFixed(1)}" cy="${y.at(py).toFixed(1)}" r="3" fill="${colour}"/>`,
    ),
    legend(name, index, colour),
  ];
}

function boundLine(line: { readonly y: number; readonly name: string }, index: number, y: Scale): string[] {
  const at = y.at(line.y).toFixed(1);
  const colour = COLOURS[5] ?? '#000000';
  return [
    `<path d="M${LEFT} ${at}H${WIDTH - RIGHT}" stroke="${colour}" stroke-dasharray="5 4"/>`,
    legend(line.name, index, colour),
  ];
}

function legend(name: string, index: number, colour: string): string {
  const y = TOP + 14 + index * 20;
  return `<rect x="${WIDTH - RIGHT + 16}" y="${y - 8}" width="12" height="4" fill="${colour}"/><text x="${WIDTH - RIGHT + 34}" y="${y - 2}">${asText(name)}</text>`;
}

function asText(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}

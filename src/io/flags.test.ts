import { describe, expect, it } from 'vitest';
import { Fault } from '../protocol/faults.ts';
import { flagHelp, parseFlags } from './flags.ts';

const TABLE = {
  url: { kind: 'text', short: 'u', value: 'URL', help: 'what to fetch' },
  header: { kind: 'list', value: 'NAME:VALUE', help: 'sent to the source' },
  notbs: { kind: 'boolean', help: 'no back to source' },
  json: { kind: 'boolean', short: 'j', help: 'events' },
  locallimit: { kind: 'size', short: 's', value: 'RATE', help: 'limit' },
  timeout: { kind: 'duration', short: 'e', value: 'TIME', help: 'limit' },
  port: { kind: 'integer', value: 'PORT', help: 'port' },
} as const;

const parse = (...args: string[]) => parseFlags(TABLE, args);

describe('flags', () => {
  it('are read in every form', () => {
    const { values, rest } = parse(
      'server',
      '-u',
      'http://a/b',
      '--header',
      'A: 1',
      '--header=B: 2',
      '-s20M',
      '-j',
      '--timeout=1m30s',
      '--port',
      '80',
    );
    expect(values).toEqual({
      url: 'http://a/b',
      header: ['A: 1', 'B: 2'],
      notbs: false,
      json: true,
      locallimit: 20 * 1024 * 1024,
      timeout: 90_000,
      port: 80,
    });
    expect(rest).toEqual(['server']);
  });

  it('that are absent are undefined, false or an empty list', () => {
    expect(parse().values).toMatchObject({ url: undefined, header: [], notbs: false, port: undefined });
  });

  it('that were given are told apart from defaults', () => {
    expect(parse().given).toEqual({});
    expect(parse('--notbs=false', '--header', 'A: 1').given).toEqual({ notbs: false, header: ['A: 1'] });
  });

  it('of truth take a value too, as v1 did', () => {
    expect(parse('--notbs=true').values.notbs).toBe(true);
    expect(parse('--notbs', '--notbs=false').values.notbs).toBe(false);
  });

  it('end at --', () => {
    expect(parse('--', '--url').rest).toEqual(['--url']);
  });

  it.each([
    [['--localimit', '1'], 'unknown flag --localimit; did you mean --locallimit?'],
    [['--whatever'], 'unknown flag --whatever'],
    [['-z'], 'unknown flag -z'],
    [['--__proto__=1'], 'unknown flag --__proto__'],
    [['--url'], '--url needs a value'],
    [['--url', '--json'], '--url needs a value'],
    [['-s', 'fast'], '-s wants a size such as 20M, 64K or 1G, not "fast"'],
    [['--timeout', 'soon'], '--timeout wants a duration such as 30s, 5m or 1h30m, not "soon"'],
    [['--port', '80x'], '--port wants a whole number, not "80x"'],
    [['--notbs=maybe'], '--notbs wants true or false, or no value, not "maybe"'],
  ])('%j is refused with a sentence', (args, message) => {
    expect(() => parse(...args)).toThrow(new Fault('usage', message));
  });

  it('explain themselves', () => {
    const lines = flagHelp(TABLE).split('\n');
    expect(lines[0]).toBe('  -u, --url URL            what to fetch');
    expect(lines).toHaveLength(Object.keys(TABLE).length);
  });
});

import { describe, expect, test } from 'vitest';
import { addressList, type TargetSettings, Targets } from './targets.ts';

const targets = (rest: Partial<TargetSettings> = {}) =>
  new Targets({ hosts: [], ports: [], addresses: [], own: { port: 65_001, addresses: ['192.168.1.5'] }, ...rest });
const address =
  (...args: Parameters<Targets['checkAddress']>) =>
  () =>
    targets().checkAddress(...args);

describe('where dfdaemon may connect to', () => {
  test('not to itself, by whatever address', () => {
    for (const own of ['127.0.0.1', '127.9.9.9', '::1', '::ffff:127.0.0.1', '192.168.1.5'])
      expect(address(own, 65_001, 'loopback'), own).toThrow('itself');
    expect(address('127.0.0.1', 65_002, 'loopback')).not.toThrow();
  });

  test('not to link-local and metadata addresses, unless they are allowed', () => {
    for (const no of [
      '169.254.169.254',
      '::ffff:169.254.169.254',
      'fe80::1',
      'fd00:ec2::254',
      '100.100.100.200',
      '0.0.0.0',
      '::',
    ])
      expect(address(no, 80, 'loopback'), no).toThrow('not allowed');
    const allowed = targets({ addresses: ['169.254.0.0/16'] });
    expect(() => allowed.checkAddress('169.254.169.254', 80, 'loopback')).not.toThrow();
  });

  test('not to this machine’s loopback for clients from elsewhere', () => {
    expect(address('127.0.0.1', 5000, 'elsewhere')).toThrow('not allowed');
    expect(address('10.0.0.1', 5000, 'elsewhere')).not.toThrow();
  });

  test('only to listed hosts and ports, where there is a list', () => {
    const listed = targets({ hosts: [/^(.+\.)?example\.com$/], ports: [443] });
    expect(() => listed.checkName('cdn.example.com', 443)).not.toThrow();
    expect(() => listed.checkName('example.com.evil', 443)).toThrow('list of targets');
    expect(() => listed.checkName('example.com', 22)).toThrow('port 22');
  });

  test('a name is judged by what it resolves to', async () => {
    await expect(targets().check(new URL('http://localhost:65001/x'), 'loopback')).rejects.toThrow('itself');
    await expect(targets().check(new URL('http://localhost:80/x'), 'elsewhere')).rejects.toThrow('not allowed');
    await expect(targets().check(new URL('http://[::1]:65001/x'), 'loopback')).rejects.toThrow('itself');
  });

  test('what is no address is named', () => {
    expect(() => addressList(['10.0.0.0/8', 'somewhere'])).toThrow('somewhere');
    expect(() => addressList(['10.0.0.0/33'])).toThrow('10.0.0.0/33');
  });
});

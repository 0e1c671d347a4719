/** The console as an operator sees it: a real browser before a real supernode with real agents. */
import type { Page } from 'playwright-core';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Browser, chromiumPath } from '../support/chromium.ts';
import { download } from '../support/download.ts';
import { Lab } from '../support/lab.ts';
import { Sample } from '../support/sample.ts';

const PATIENCE = { timeout: 20_000 };

let lab: Lab;
let browser: Browser | undefined;
beforeEach(() => {
  lab = new Lab();
});
afterEach(async () => {
  await browser?.close();
  browser = undefined;
  await lab.close();
});

async function opened(url: string): Promise<Page> {
  browser ??= await Browser.start(lab.path('chromium'));
  return browser.page(url);
}

const rowOf = (page: Page, ip: string) => page.getByRole('row').filter({ hasText: `${ip}:` });

async function metrics(node: string): Promise<readonly string[]> {
  return (await (await fetch(`http://${node}/metrics`)).text()).split('\n');
}

type Shown = { readonly id: string; readonly ip: string; readonly state: string; readonly secondsLeft?: number | null };

async function hostAt(node: string, ip: string): Promise<Shown> {
  const { hosts } = (await (await fetch(`http://${node}/v1/hosts`)).json()) as { hosts: readonly Shown[] };
  const host = hosts.find((each) => each.ip === ip);
  if (host === undefined) throw new Error(`no host ${ip}`);
  return host;
}

describe.skipIf(chromiumPath === undefined)('the console in a browser (needs chromium)', { timeout: 180_000 }, () => {
  it('isolates a host and releases it; page, metrics and API say the same', async () => {
    const { node } = await lab.supernode();
    await Promise.all([lab.agent('127.0.0.2', node), lab.agent('127.0.0.3', node)]);
    const page = await opened(`http://${node}/`);
    expect(new URL(page.url()).pathname).toBe('/console/');
    const row = rowOf(page, '127.0.0.2');
    await expect.poll(() => page.locator('tr[data-host]').count(), PATIENCE).toBe(2);
    expect(await row.getAttribute('data-state')).toBe('ok');

    await row.getByRole('button', { name: 'Isolate' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByLabel('Why').fill('its disk makes <b>noises</b>');
    await dialog.getByLabel('For how long').fill('1h');
    await page.keyboard.press('Enter');
    await expect.poll(() => row.getAttribute('data-state'), PATIENCE).toBe('isolated');
    const said = await row.textContent();
    expect(said).toContain('isolated');
    expect(said).toContain('an operator wants it so');
    expect(said).toContain('its disk makes <b>noises</b>');
    const left = row.locator('.left');
    const before = await left.textContent();
    expect(before).toMatch(/^(?:1 h 00 min|59 min \d\d s)$/);
    await expect.poll(() => left.textContent(), PATIENCE).not.toBe(before);

    const host = await hostAt(node, '127.0.0.2');
    expect(host).toMatchObject({ state: 'isolated' });
    expect(host.secondsLeft).toBeGreaterThan(3500);
    const series = (await metrics(node)).filter((line) => line.includes(`host="${host.id}"`));
    expect(series).toHaveLength(2);
    expect(series[0]).toMatch(/^dragonfly_supernode_host_isolated\{.*reason="operator",by=""\} 1$/);
    expect(Number(series[1]?.split(' ').at(-1))).toBeGreaterThan(3500);
    expect(await metrics(node)).toContain('dragonfly_supernode_hosts{state="isolated"} 1');

    await row.getByRole('button', { name: 'Release' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Release' }).click();
    await expect.poll(() => row.getAttribute('data-state'), PATIENCE).toBe('ok');
    expect(await row.textContent()).not.toContain('noises');
    expect(await hostAt(node, '127.0.0.2')).toMatchObject({ state: 'ok' });
    const after = await metrics(node);
    expect(after.filter((line) => line.includes(host.id))).toEqual([]);
    expect(after).toContain('dragonfly_supernode_releases_total{why="operator",decided="here"} 1');
    expect(browser?.complaints).toEqual([]);
  });

  it('finds hosts and contents, shows no query of a URL, and says when nobody answers', async () => {
    const source = await lab.source();
    const url = source.serve('shown.bin', new Sample(3 * 1024 * 1024, 1));
    const supernode = await lab.supernode();
    const { node } = supernode;
    const agents = [await lab.agent('127.0.0.2', node), await lab.agent('127.0.0.3', node)];
    for (const agent of agents)
      expect(await download(lab, agent, `${url}?token=secret`, lab.path(agent.name, 'out'))).toMatchObject({ code: 0 });
    const page = await opened(`http://${node}/console/`);
    const rows = page.locator('tbody tr');
    await expect.poll(() => rows.count(), PATIENCE).toBe(2);
    await page.keyboard.press('/');
    await page.keyboard.type('127.0.0.3');
    await expect.poll(() => rows.count(), PATIENCE).toBe(1);
    await page.getByRole('button', { name: 'isolated' }).click();
    await expect.poll(() => rows.count(), PATIENCE).toBe(0);
    expect(page.url()).toContain('state=isolated&search=127.0.0.3');

    await page.getByRole('link', { name: 'Contents' }).click();
    await expect.poll(() => rows.count(), PATIENCE).toBe(1);
    const content = await rows.textContent();
    expect(content).toContain(url);
    expect(content).toMatch(/complete\s*3 MiB/);
    expect(await page.content()).not.toContain('secret');
    expect((await metrics(node)).join('\n')).not.toMatch(/secret|shown\.bin/);
    const sourceBytes = (await metrics(node)).find((line) => line.startsWith('dragonfly_supernode_source_read_bytes'));
    expect(sourceBytes).toBe(`dragonfly_supernode_source_read_bytes_total ${3 * 1024 * 1024}`);
    await page.getByRole('link', { name: 'Supernodes' }).click();
    await expect.poll(() => rows.textContent(), PATIENCE).toContain(node);
    expect(browser?.complaints).toEqual([]);

    await supernode.running.kill('SIGKILL');
    await page.getByText('The supernode does not answer').waitFor();
    await lab.supernode(supernode);
    await page.getByText('The supernode does not answer').waitFor({ state: 'detached' });
  });

  it('is the only page that may give orders', async () => {
    const { node } = await lab.supernode();
    await lab.agent('127.0.0.2', node);
    await expect.poll(() => hostAt(node, '127.0.0.2').then(({ state }) => state, String), PATIENCE).toBe('ok');
    const { id } = await hostAt(node, '127.0.0.2');
    const order = `http://${node}/v1/hosts/${id}`;
    const headers = { 'content-type': 'application/json' };
    await fetch(`${order}/isolate`, { method: 'POST', headers, body: '{"reason":"stays"}' });
    const page = await opened('about:blank');
    const form = `<form method="post" action="${order}/release"><button>Win</button></form>`;
    await page.route('http://evil.example/', (route) => route.fulfill({ contentType: 'text/html', body: form }));
    await page.goto('http://evil.example/');
    const [answer] = await Promise.all([page.waitForResponse(/release$/), page.getByRole('button').click()]);
    expect(answer.status()).toBe(403);
    expect(await hostAt(node, '127.0.0.2')).toMatchObject({ state: 'isolated' });
  });
});

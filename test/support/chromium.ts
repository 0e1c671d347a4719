/** Chromium where it is installed, driven as somebody with a mouse and a keyboard would; it asks nobody but the pages that it is led to. */
import { mkdirSync } from 'node:fs';
import { type BrowserContext, chromium, type Page } from 'playwright-core';
import { programPath } from './command.ts';

/** Debian's name. */
export const chromiumPath = programPath('chromium');

const FLAGS = [
  ...['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-sync'],
  ...['--disable-background-networking', '--disable-component-update'],
];

export class Browser {
  readonly #context: BrowserContext;
  /** What no page of ours should ever cause: errors, refused scripts, failed loads of its own files. */
  readonly complaints: string[] = [];

  private constructor(context: BrowserContext) {
    this.#context = context;
  }

  /** `folder` is for its own files and must be new. */
  static async start(folder: string): Promise<Browser> {
    if (chromiumPath === undefined) throw new Error('chromium is not installed');
    mkdirSync(folder, { recursive: true });
    const context = await chromium.launchPersistentContext(folder, {
      executablePath: chromiumPath,
      args: FLAGS,
      viewport: { width: 1280, height: 800 },
      locale: 'en',
    });
    return new Browser(context);
  }

  async page(url: string): Promise<Page> {
    const page = await this.#context.newPage();
    page.on('pageerror', (error) => this.complaints.push(error.message));
    page.on('console', (message) => {
      if (message.type() === 'error') this.complaints.push(message.text());
    });
    await page.goto(url);
    return page;
  }

  close(): Promise<void> {
    return this.#context.close();
  }
}

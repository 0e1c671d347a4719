/** The page: its head, which says whether the supernode answers, and one of its parts below. */
import { render } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { ask } from './api.ts';
import { ContentsPage } from './contents-page.ts';
import { HostsPage } from './hosts-page.ts';
import { html, type View } from './html.ts';
import { useLink } from './link.ts';
import { useNow } from './polling.ts';
import { PAGES, type Page, printRoute, type Route, useRoute } from './route.ts';
import { SupernodesPage } from './supernodes-page.ts';
import { durationText } from './words.ts';

const TITLES: Readonly<Record<Page, string>> = { hosts: 'Hosts', contents: 'Contents', supernodes: 'Supernodes' };

function Head({ page }: { readonly page: Page }): View {
  const version = useVersion();
  return html`<header class="head">
    <a class="brand" href="#/hosts"><img src="icon.svg" alt="" width="26" height="26" />Dragonfly</a>
    <nav aria-label="Pages">
      ${PAGES.map(
        (name) =>
          html`<a key=${name} href=${printRoute({ page: name, state: '', search: '' })} aria-current=${name === page ? 'page' : undefined}>${TITLES[name]}</a>`,
      )}
    </nav>
    <${LinkState} />
    <span class="version">${version === '' ? '' : `supernode ${version}`}</span>
  </header>`;
}

/** Once is enough: a supernode with another version is another process. */
function useVersion(): string {
  const { lostAt } = useLink();
  const [version, setVersion] = useState('');
  useEffect(() => {
    if (lostAt !== undefined) return;
    ask<{ version: string }>('version').then(
      (said) => setVersion(said.version),
      () => undefined, // The polling says that nobody answers.
    );
  }, [lostAt === undefined]);
  return version;
}

function LinkState(): View {
  const { lostAt, answeredAt } = useLink();
  if (lostAt !== undefined) return html`<span class="link lost">no answer</span>`;
  return html`<span class=${answeredAt === undefined ? 'link' : 'link live'}>
    ${answeredAt === undefined ? 'asking …' : 'live'}
  </span>`;
}

function LostBanner(): View | null {
  const { lostAt, answeredAt } = useLink();
  const now = useNow();
  if (lostAt === undefined) return null;
  return html`<div class="banner">
    <strong role="alert">The supernode does not answer</strong>${' '}(for ${durationText((now - lostAt) / 1000)}).${' '}
    ${answeredAt === undefined ? '' : `What you see is from ${new Date(answeredAt).toLocaleTimeString()}.`}
    ${' '}It is asked again every two seconds.
  </div>`;
}

function Part({ route, go }: { readonly route: Route; readonly go: (change: Partial<Route>) => void }): View {
  switch (route.page) {
    case 'hosts':
      return html`<${HostsPage} route=${route} go=${go} />`;
    case 'contents':
      return html`<${ContentsPage} route=${route} go=${go} />`;
    case 'supernodes':
      return html`<${SupernodesPage} />`;
  }
}

function Console(): View {
  const { route, go } = useRoute();
  const { lostAt } = useLink();
  return html`<${Head} page=${route.page} />
    <${LostBanner} />
    <main class=${lostAt === undefined ? '' : 'old'}>
      <h1 class="unseen">${TITLES[route.page]}</h1>
      <${Part} key=${route.page} route=${route} go=${go} />
    </main>`;
}

const place = document.getElementById('console');
if (place !== null) {
  place.replaceChildren();
  render(html`<${Console} />`, place);
}

/** What kinds of sources that speak HTTP underneath read through. */
import type { HeadObserver } from './http-follow.ts';
import type { ListRequest, SourceAnswer, SourceRequest } from './source.ts';

export interface HttpReader {
  open(request: SourceRequest, observe?: HeadObserver): Promise<SourceAnswer>;
  /** A small text; gives the URL that the redirects ended at, too. */
  page(request: ListRequest, observe?: HeadObserver): Promise<{ readonly text: string; readonly url: URL }>;
}

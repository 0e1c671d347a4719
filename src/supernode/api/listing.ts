/** How long lists are asked for in part: the same words for hosts and tasks. */

/** Most rows of one answer that asks for a part. */
const MAX_LIMIT = 10_000;
const MAX_SEARCH_CHARS = 200;

/** JSON Schema of the query. */
export function listingQuery(states: readonly string[]) {
  return {
    type: 'object',
    properties: {
      limit: {
        type: 'integer',
        minimum: 0,
        maximum: MAX_LIMIT,
        description: 'at most so many, those that want to be looked at first; absent = all, in no order',
      },
      state: { type: 'string', enum: states },
      search: { type: 'string', maxLength: MAX_SEARCH_CHARS, description: 'part of a name, in letters of any size' },
    },
  } as const;
}

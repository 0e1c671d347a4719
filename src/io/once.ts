/** What is made, or loaded, when it is first asked for; a failure is final. `made` is what it came to, for those who would only end it. */
export type Once<Value> = (() => Promise<Value>) & { readonly made: () => Promise<Value> | undefined };

export function once<Value>(make: () => Promise<Value>): Once<Value> {
  let made: Promise<Value> | undefined;
  const get = (): Promise<Value> => {
    made ??= make();
    return made;
  };
  return Object.assign(get, { made: () => made });
}

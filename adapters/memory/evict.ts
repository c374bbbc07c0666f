/**
 * Removes the first entry of a table that may go, the idle-longest where every use moves an entry to the
 * end; false if none may.
 */
export function evictOne<State>(
  table: Map<string, State>,
  mayGo: (state: State, name: string) => boolean,
): boolean {
  for (const [name, state] of table) {
    if (!mayGo(state, name)) continue;
    table.delete(name);
    return true;
  }
  return false;
}

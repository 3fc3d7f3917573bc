// Says of every JSON file that it is one.
export async function load(url, context, next) {
  const attributes = url.endsWith(".json") ? { type: "json" } : context.importAttributes;
  return next(url, { ...context, importAttributes: attributes });
}

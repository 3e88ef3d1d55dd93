// Which model of the catalogue to offer: the one that the recogniser's notice speaks of.

/** `{name, sizeBytes}` of a model that is not here yet, or null. `notice` is the server's; `items` its catalogue. */
export function betterModel(notice, items) {
  const named = items
    .filter((model) => !model.present && notice.includes(model.name))
    .sort((a, b) => b.name.length - a.name.length); // `whisper-base.en` also contains `whisper-base`
  if (!named.length) return null;
  const [{ name, size_mb: sizeMb = 0 }] = named;
  return { name, sizeBytes: sizeMb * 1e6 };
}

// The words of a meeting that a bot attended, which other transcripts do not fetch. To be imported before its elements are made.

import { add, language } from './strings.js';

const { default: phrases } = await import(`../i18n/meeting/${language}.js`);
add(phrases);

// The words of the page of files, which no other page fetches. To be imported before its elements are made.

import { add, language } from './strings.js';

const { default: phrases } = await import(`../i18n/files/${language}.js`);
add(phrases);

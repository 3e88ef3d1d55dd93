// The words of the pages of projects, which no other page fetches. To be imported before their elements are made.

import { add, language } from './strings.js';

const { default: phrases } = await import(`../i18n/projects/${language}.js`);
add(phrases);

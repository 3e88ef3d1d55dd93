// The words of who speaks, how much and how many, for pages that ask or tell it. To be imported before their elements are made.

import { add, language } from './strings.js';

const { default: phrases } = await import(`../i18n/speakers/${language}.js`);
add(phrases);

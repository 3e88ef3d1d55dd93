// The words of how much each speaks and of voices that are recognised, for the page of a transcript alone. To be imported before
// its elements are made.

import { add, language } from './strings.js';

const { default: phrases } = await import(`../i18n/speakers/${language}.js`);
add(phrases);

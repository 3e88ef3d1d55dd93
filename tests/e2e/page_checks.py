"""What every page must keep to, asked of the page itself: names, contrast, width. Each returns the offenders."""

from __future__ import annotations

from playwright.async_api import Page

_VISIBLE = """
const visible = (el) => {
  const box = el.getBoundingClientRect();
  const style = getComputedStyle(el);
  return box.width > 1 && box.height > 1 && style.visibility === 'visible' && style.display !== 'none';
};
"""

_NAMELESS = (
    """() => {"""
    + _VISIBLE
    + """
  const nameOf = (el) => (el.getAttribute('aria-label')
    || (el.labels && [...el.labels].map((l) => l.textContent).join(' '))
    || el.textContent || '').trim();
  return [...document.querySelectorAll('a[href], button, input, select, textarea, progress, [role=button]')]
    .filter((el) => visible(el) && !nameOf(el)).map((el) => el.outerHTML.slice(0, 120));
}"""
)

# WCAG 2.2, 1.4.3: 4.5:1, large text 3:1; what is disabled is exempt.
_PALE = (
    """() => {"""
    + _VISIBLE
    + """
  const parse = (text) => {
    const [r, g, b, a = 1] = text.match(/[\\d.]+/g).map(Number);
    return { rgb: [r, g, b], a };
  };
  const light = ({ rgb }) => {
    const [r, g, b] = rgb.map((v) => v / 255).map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const grounds = new Map();
  const groundOf = (el) => {
    if (!el) return { rgb: [255, 255, 255], a: 1 };
    if (!grounds.has(el)) {
      const own = parse(getComputedStyle(el).backgroundColor);
      grounds.set(el, own.a > 0 ? own : groundOf(el.parentElement));
    }
    return grounds.get(el);
  };
  const found = [];
  for (const el of document.querySelectorAll('body *')) {
    const own = [...el.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
    if (!own || !visible(el) || el.closest(':disabled, .visually-hidden, noscript')) continue;
    const style = getComputedStyle(el);
    const [a, b] = [light(parse(style.color)), light(groundOf(el))].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    const px = parseFloat(style.fontSize);
    const large = px >= 24 || (px >= 18.66 && Number(style.fontWeight) >= 700);
    if (ratio < (large ? 3 : 4.5)) found.push(`${ratio.toFixed(2)} ${el.className} ${el.textContent.slice(0, 40)}`);
  }
  return found;
}"""
)

_TWICE = """() => {
  const ids = [...document.querySelectorAll('[id]')].map((el) => el.id);
  return ids.filter((id, i) => ids.indexOf(id) !== i);
}"""

_WIDE = """() => {
  const wide = document.documentElement.scrollWidth - innerWidth;
  if (wide <= 0) return [];
  return [...document.querySelectorAll('body *')]
    .filter((el) => el.getBoundingClientRect().right > innerWidth + 1)
    .map((el) => `${wide}px: ${el.tagName}.${el.className}`);
}"""

_SMALL = (
    """() => {"""
    + _VISIBLE
    + """
  return [...document.querySelectorAll('button:not(.link):not(.time), .button')]
    .filter((el) => visible(el) && el.getBoundingClientRect().height < 40).map((el) => el.outerHTML.slice(0, 120));
}"""
)


async def nameless_controls(page: Page) -> list[str]:
    return list(await page.evaluate(_NAMELESS))


async def pale_text(page: Page) -> list[str]:
    return list(await page.evaluate(_PALE))


async def ids_used_twice(page: Page) -> list[str]:
    return list(await page.evaluate(_TWICE))


async def wider_than_the_screen(page: Page) -> list[str]:
    return list(await page.evaluate(_WIDE))


async def small_buttons(page: Page) -> list[str]:
    """Below what a finger hits."""
    return list(await page.evaluate(_SMALL))


async def assert_sound_page(page: Page) -> None:
    """All of them at once."""
    found = {
        "without a name": await nameless_controls(page),
        "too pale": await pale_text(page),
        "ids used twice": await ids_used_twice(page),
        "too wide": await wider_than_the_screen(page),
        "too small": await small_buttons(page),
    }
    faults = {name: offenders for name, offenders in found.items() if offenders}
    assert not faults, faults

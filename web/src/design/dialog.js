// What lies above the page and keeps the focus: sheets, cards. It begins on what carries data-first.
import { html, useLayoutEffect, useRef } from '../ui.js';

// What stands at the top of each: a part that warns (set by the frame), since the banner is out of reach behind a dialog.
export const above = { view: null };

// At once, not after the next paint: what is typed right away must arrive inside.
function useFocusTrap(box) {
  useLayoutEffect(() => {
    const before = document.activeElement;
    box.current.querySelector('[data-first]')?.focus();
    const onKey = (event) => {
      if (event.key !== 'Tab') return;
      const all = [...box.current.querySelectorAll('button:not(:disabled),input,textarea,a[href],select')];
      const [first, last] = [all[0], all.at(-1)];
      if (event.shiftKey && document.activeElement === first) {
        event.preventDefault();
        last.focus();
      } else if (!event.shiftKey && document.activeElement === last) {
        event.preventDefault();
        first.focus();
      }
    };
    const { current } = box;
    current.addEventListener('keydown', onKey);
    return () => {
      current.removeEventListener('keydown', onKey);
      before?.focus?.();
    };
  }, []);
}

export function Dialog({ label, className, veil = 'veil', onClose, children }) {
  const box = useRef();
  useFocusTrap(box);
  return html`<div class=${veil} onClick=${(e) => { if (e.target === e.currentTarget) onClose(); }}>
    <div class=${className} ref=${box} role="dialog" aria-modal="true" aria-label=${label}>${above.view && html`<div class="warnings"><${above.view} /></div>`}${children}</div></div>`;
}

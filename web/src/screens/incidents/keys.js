// Keys of this screen alone. None acts: each opens a sheet.
import { sheet } from '../../acting/acting.js';
import { overlay } from '../../frame/keys.js';
import { page } from '../../session/session.js';
import { useEffect, useRef } from '../../ui.js';

const typing = (target) => target.closest?.('input,textarea,select,[contenteditable]');

// Calls ACT when KEY is pressed while nothing lies above the screen.
export function useKey(key, act) {
  const held = useRef();
  held.current = act;
  useEffect(() => {
    const onKey = (event) => {
      if (event.key !== key || event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented || typing(event.target) || overlay.peek() || sheet.peek() || page.peek()) return;
      event.preventDefault();
      held.current();
    };
    window.addEventListener('keydown', onKey);
    return () => window.removeEventListener('keydown', onKey);
  }, [key]);
}

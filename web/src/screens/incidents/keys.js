// Keys of this screen alone. None acts: each opens a sheet.
import { own } from '../../frame/keys.js';
import { useEffect, useRef } from '../../ui.js';

// Calls ACT when KEY is pressed while nothing lies above the screen.
export function useKey(key, act) {
  const held = useRef();
  held.current = act;
  useEffect(() => {
    const pressed = () => held.current();
    own.set(key, pressed);
    return () => { if (own.get(key) === pressed) own.delete(key); };
  }, [key]);
}

// Styles of a part that the first screen does not need: NAME.lazy.css, imported as the name of a file.
const known = new Map();

// Resolves when the styles are in force, or could not be had: what is shown then is plain, but shown.
export function stylesheet(file) {
  if (!known.has(file)) {
    known.set(file, new Promise((resolve) => {
      const link = document.createElement('link');
      link.rel = 'stylesheet';
      link.href = `/assets/${file.replace(/^\.\//, '')}`;
      link.onload = resolve;
      link.onerror = resolve;
      document.head.append(link);
    }));
  }
  return known.get(file);
}

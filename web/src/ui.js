// What every view imports: templates without a build step, hooks, signals.
import { h } from 'preact';
import htm from 'htm';

export const html = htm.bind(h);
export { Component, Fragment, render } from 'preact';
export { useCallback, useEffect, useLayoutEffect, useMemo, useRef, useState } from 'preact/hooks';
export { batch, computed, effect, signal, useComputed, useSignal } from '@preact/signals';

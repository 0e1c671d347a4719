/** Markup as tagged templates, read by htm into preact's nodes: all text in it is text, whoever wrote it. */
import htm from 'htm';
import { h } from 'preact';

export const html = htm.bind(h);
export type View = ReturnType<typeof html>;

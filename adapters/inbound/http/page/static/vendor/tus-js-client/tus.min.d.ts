// A script that makes `window.tus`; for the type checker alone.
export {};

// What of it is used here, for the type checker alone.
export function encode(text: string, options?: { border?: number }): { data: boolean[][]; size: number };

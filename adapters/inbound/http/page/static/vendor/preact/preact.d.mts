// What of it is used here, for the type checker alone.
export const h: any;
export const render: any;

// What the page uses that the browsers' own types don't know (yet).
interface Window {
  tus: any;
  uPlot: any;
}
interface DataTransferItem {
  getAsFileSystemHandle?(): Promise<FileSystemHandle | null>;
}
interface FileSystemHandle {
  queryPermission(wish: { mode: string }): Promise<string>;
  requestPermission(wish: { mode: string }): Promise<string>;
  getFile(): Promise<File>;
}

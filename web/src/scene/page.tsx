import type { ArchiveFacts } from "../service/types";

export default function Page(_: { source: string; query: string; facts: ArchiveFacts | null }) {
  return <p>…</p>;
}

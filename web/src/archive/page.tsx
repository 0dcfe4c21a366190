import type { ArchiveFacts } from "../service/types";

export default function Page(_: { facts: ArchiveFacts | null; refresh: () => void }) {
  return <p>…</p>;
}

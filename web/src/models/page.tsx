import type { ArchiveFacts } from "../service/types";

export default function Page(_: { facts: ArchiveFacts | null }) {
  return <p>…</p>;
}

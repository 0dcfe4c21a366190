/** Short messages at the foot of the page, read aloud by screen readers. */

import { useEffect, useState } from "preact/hooks";

interface Message {
  id: number;
  text: string;
  kind: "good" | "bad";
}

let next = 1;
let hear: ((message: Message) => void) | null = null;

export function say(text: string, kind: "good" | "bad" = "good"): void {
  hear?.({ id: next++, text, kind });
}

export function Toasts() {
  const [messages, setMessages] = useState<Message[]>([]);
  useEffect(() => {
    hear = (message) => {
      setMessages((before) => [...before.slice(-2), message]);
      window.setTimeout(
        () => setMessages((now) => now.filter((each) => each.id !== message.id)),
        message.kind === "bad" ? 9000 : 3500,
      );
    };
    return () => {
      hear = null;
    };
  }, []);
  return (
    <div class="toasts" role="status" aria-live="polite">
      {messages.map((message) => (
        <div key={message.id} class={`toast ${message.kind}`}>
          {message.text}
        </div>
      ))}
    </div>
  );
}

export async function copy(text: string, done: string): Promise<void> {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    // No clipboard without a secure context: the old way.
    const area = document.createElement("textarea");
    area.value = text;
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
  say(done);
}

export function save(blob: Blob, name: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  window.setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

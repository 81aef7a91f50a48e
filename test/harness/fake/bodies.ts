/** Keeps count of the bodies that are being read, and ends each with its request. */
export class Bodies {
  open = 0;

  /** The same answer; its body errors when `signal` ends, as a closed connection would. */
  watched(response: Response, signal: AbortSignal): Response {
    if (!response.body) return response;
    const reader = response.body.getReader();
    this.open += 1;
    let over = false;
    const end = () => {
      if (!over) this.open -= 1;
      over = true;
    };
    const body = new ReadableStream<Uint8Array>({
      start: (controller) =>
        signal.addEventListener("abort", () => {
          if (over) return;
          end();
          controller.error(signal.reason);
          void reader.cancel().catch(() => {});
        }),
      async pull(controller) {
        try {
          const { done, value } = await reader.read();
          if (over) return;
          if (!done) return controller.enqueue(value);
          end();
          controller.close();
        } catch (error) {
          if (over) return;
          end();
          controller.error(error);
        }
      },
      cancel(reason) {
        end();
        return reader.cancel(reason);
      },
    });
    return new Response(body, { status: response.status, headers: response.headers });
  }
}

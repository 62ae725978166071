// A server on version 2 of the TypeScript SDK, over stdio, in both eras. It is here because its packages are.
import { McpServer, fromJsonSchema } from "@modelcontextprotocol/server";
import { serveStdio } from "@modelcontextprotocol/server/stdio";

const numbers = fromJsonSchema({
  type: "object",
  properties: { a: { type: "number" }, b: { type: "number" } },
  required: ["a", "b"],
});
const steps = fromJsonSchema({ type: "object", properties: { steps: { type: "number" } }, required: ["steps"] });

serveStdio(() => {
  const server = new McpServer({ name: "v2", version: "1.0.0" });
  server.registerTool("add", { description: "Add two numbers", inputSchema: numbers }, async ({ a, b }) => ({
    content: [{ type: "text", text: String(a + b) }],
  }));
  server.registerTool("fail", { description: "Fail" }, async () => {
    throw new Error("as it was asked to");
  });
  server.registerTool("slow", { description: "Report progress, and without steps never end", inputSchema: steps }, async ({ steps }, context) => {
    const progressToken = context.mcpReq._meta?.progressToken;
    for (let step = 1; progressToken !== undefined && step <= steps; step++) {
      await context.mcpReq.notify({ method: "notifications/progress", params: { progressToken, progress: step, total: steps } });
    }
    if (!steps) await new Promise((resolve) => context.mcpReq.signal.addEventListener("abort", resolve));
    return { content: [{ type: "text", text: "done" }] };
  });
  server.registerResource("note", "note://1", { description: "A note" }, async (uri) => ({
    contents: [{ uri: uri.href, text: "a note" }],
  }));
  return server;
});

// The client of the TypeScript SDK, as a user would write one: lists, calls, reads, and takes what is refused.
// node explored.mjs COMMAND... | URL
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import {
  CreateMessageRequestSchema,
  ElicitRequestSchema,
  ListRootsRequestSchema,
  McpError,
} from "@modelcontextprotocol/sdk/types.js";

const [command, ...args] = process.argv.slice(2);
const client = new Client(
  { name: "explored", version: "1" },
  { capabilities: { roots: {}, sampling: {}, elicitation: {} } },
);
client.setRequestHandler(ListRootsRequestSchema, () => ({ roots: [] }));
client.setRequestHandler(ElicitRequestSchema, () => ({ action: "decline" }));
client.setRequestHandler(CreateMessageRequestSchema, () => ({
  role: "assistant",
  model: "m",
  content: { type: "text", text: "x" },
}));
const allowed = async (promise) => {
  try {
    return await promise;
  } catch (error) {
    if (error instanceof McpError && error.code !== -32001) return {};
    throw error;
  }
};
const all = async (list, kind) => {
  const found = [];
  for (let cursor = undefined; ; ) {
    const page = await allowed(list({ cursor }));
    found.push(...(page[kind] ?? []));
    cursor = page.nextCursor;
    if (cursor === undefined) return found;
  }
};
const transport = command.startsWith("http")
  ? new StreamableHTTPClientTransport(new URL(command))
  : new StdioClientTransport({ command, args });
await client.connect(transport);
const offers = client.getServerCapabilities();
const tools = offers.tools ? await all((page) => client.listTools(page), "tools") : [];
await Promise.all(
  tools.map(({ name }) =>
    allowed(client.callTool({ name, arguments: { text: "x", a: 1, b: 2 } }, undefined, { onprogress: () => {} })),
  ),
);
if (offers.resources) {
  for (const { uri } of await all((page) => client.listResources(page), "resources"))
    await allowed(client.readResource({ uri }));
}
if (offers.prompts) {
  for (const { name } of await all((page) => client.listPrompts(page), "prompts"))
    await allowed(client.getPrompt({ name, arguments: { who: "x" } }));
}
await client.ping().catch(() => {});
await client.close();

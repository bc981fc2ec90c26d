import swagger from '@fastify/swagger';
import { createJsonSchemaTransform, createJsonSchemaTransformObject } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { fileInfoSchema, fileMetaSchema } from '../files/records.ts';
import { problemSchema } from './problem.ts';
import type { App } from './routes/app-type.ts';

const components = z.registry<{ id?: string }>();
components.add(fileInfoSchema, { id: 'FileInfo' });
components.add(fileMetaSchema, { id: 'FileMeta' });
components.add(problemSchema, { id: 'Problem' });

interface OverrideContext {
  readonly zodSchema: z.core.$ZodTypes;
  readonly jsonSchema: z.core.JSONSchema.BaseSchema;
}

/** Says in JSON Schema what zod cannot say by itself. */
function completeSchema({ zodSchema, jsonSchema }: OverrideContext): void {
  const { def } = zodSchema._zod;
  const description = z.globalRegistry.get(zodSchema)?.description;
  if (description !== undefined) jsonSchema.description ??= description;
  if (def.type === 'undefined') jsonSchema.type = 'null';
  if (jsonSchema.minimum === Number.MIN_SAFE_INTEGER && jsonSchema.maximum === Number.MAX_SAFE_INTEGER) {
    // Zod's bounds of any integer, not rules of ours.
    delete jsonSchema.minimum;
    delete jsonSchema.maximum;
  }
  if (def.type !== 'pipe' || def.out._zod.def.type !== 'transform') return;
  // What a transform makes has no schema of its own; ours only put text in order, so that what goes in describes what comes out.
  const { $schema: _, ...before } = z.toJSONSchema(def.in, { io: 'input' });
  for (const [keyword, value] of Object.entries(before)) jsonSchema[keyword] ??= value;
}

const zodToJsonConfig = { override: completeSchema };
const transformObject = createJsonSchemaTransformObject({ schemaRegistry: components, zodToJsonConfig });

/** Adds the components; without the variants for requests, which none of ours is part of. */
const addComponents: typeof transformObject = (document) => {
  const described = transformObject(document) as { components: { schemas: Record<string, unknown> } };
  for (const name of Object.keys(described.components.schemas)) if (name.endsWith('Input')) delete described.components.schemas[name];
  return described as ReturnType<typeof transformObject>;
};

/** Gathers the OpenAPI document from the schemas of the routes that are added after it. */
export function describeApi(app: App, version: string): void {
  void app.register(swagger, {
    exposeHeadRoutes: true,
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Forebay',
        version,
        description: 'File metadata from process memory, Redis or the database, never staler than stated.',
      },
      tags: [
        { name: 'files', description: 'Records of files and their attributes.' },
        { name: 'cache', description: 'What the caches hold.' },
        { name: 'operations', description: 'For those who run the service.' },
      ],
      components: {
        securitySchemes: { bearer: { type: 'http', scheme: 'bearer', description: 'Needed when the service was given a token.' } },
      },
    },
    transform: createJsonSchemaTransform({ schemaRegistry: components, zodToJsonConfig }),
    transformObject: addComponents,
  });
}

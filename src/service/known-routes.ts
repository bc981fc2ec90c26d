import type { RouteOptions } from 'fastify';

/** Which methods each path has, to tell "no such route" from "not with this method". */
export interface KnownRoutes {
  add(route: Pick<RouteOptions, 'url' | 'method'>): void;
  /** Methods that the path of this URL has, sorted; none for an unknown path. */
  methodsOf(url: string): readonly string[];
}

export function createKnownRoutes(): KnownRoutes {
  const routes = new Map<string, { pattern: RegExp; methods: Set<string> }>();
  return {
    add({ url, method }) {
      const source = url.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`).replaceAll(/:\w+/g, '[^/]+');
      const route = routes.get(url) ?? { pattern: new RegExp(`^${source}$`), methods: new Set() };
      for (const one of [method].flat()) route.methods.add(one);
      routes.set(url, route);
    },
    methodsOf(url) {
      const path = url.split('?', 1)[0] ?? '';
      const matching = [...routes.values()].filter(({ pattern }) => pattern.test(path));
      return [...new Set(matching.flatMap(({ methods }) => Array.from(methods)))].toSorted();
    },
  };
}

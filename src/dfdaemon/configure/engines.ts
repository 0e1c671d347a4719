/** The engines by the names that `dfdaemon configure` takes. */
import { containerd } from './containerd.ts';
import { docker } from './docker.ts';
import type { Engine } from './plan.ts';
import { registriesConf } from './registries-conf.ts';

export const ENGINES: Readonly<Record<string, Engine>> = {
  containerd,
  docker,
  podman: registriesConf('podman, buildah and skopeo read it at every pull; CRI-O reads the same file'),
  crio: registriesConf('CRI-O reads it again after: systemctl reload crio; podman reads the same file'),
};

/**
 * The systems that the lab compares, each as shell commands: what runs on the seed host, what is resident on every host before
 * the clock starts, and what the clock times. Paths and addresses come by the environment (measure.ts sets it):
 * IP SEED_IP URL WARM_URL SRC OUT DIR NODE ROOT MIB.
 */
export type System = {
  readonly name: string;
  /** Debian packages without which it cannot run. */
  readonly commands: readonly string[];
  readonly seed: string;
  readonly host?: string;
  /** A file in DIR that says that the seed's or the host's part is up. */
  readonly ready: string;
  readonly hostReady?: string;
  readonly get: string;
  /** Run on every host before the clock: a host in use has run the command before, and its code is compiled and kept. */
  readonly warm?: string;
};

const aria =
  'aria2c --no-conf=true --seed-ratio=0.0 --enable-dht=false --enable-dht6=false --bt-enable-lpd=false --file-allocation=none ' +
  '--bt-max-peers=55 --max-overall-upload-limit=0 --summary-interval=0 --console-log-level=warn --listen-port=6881 ' +
  '--bt-request-peer-speed-limit=1000M --disable-ipv6=true --allow-overwrite=true --bt-tracker-interval=5';

export const SYSTEMS: readonly System[] = [
  {
    name: 'dragonfly',
    commands: [],
    seed:
      '$NODE $ROOT/bin/supernode.mjs --home-dir $DIR/supernode --advertise-ip $IP --config /dev/null & ' +
      'until curl -sf http://$IP:8002/readyz >/dev/null; do sleep 0.1; done; touch $DIR/ready; wait',
    host: 'exec $NODE $ROOT/bin/dfget.mjs server --ip $IP --home $DIR/home --node $SEED_IP:8002 --alivetime 0s',
    ready: 'ready',
    hostReady: 'home/agent.sock',
    get: 'exec $NODE $ROOT/bin/dfget.mjs -u $URL -o $OUT --home $DIR/home --node $SEED_IP:8002 --notbs',
    warm: 'exec $NODE $ROOT/bin/dfget.mjs -u $WARM_URL -o $DIR/warm --home $DIR/home --node $SEED_IP:8002 --notbs',
  },
  { name: 'curl', commands: ['curl'], seed: 'touch $DIR/ready', ready: 'ready', get: 'exec curl -sf -o $OUT $URL' },
  {
    // Debian's opentracker serves only the info hashes of a white list, which it reads inside its own folder.
    name: 'bittorrent',
    commands: ['aria2c', 'opentracker', 'mktorrent'],
    seed:
      'rm -f $DIR/f.torrent; mktorrent -l 18 -a http://$SEED_IP:6969/announce -o $DIR/f.torrent $SRC >/dev/null; mkdir -p $DIR/tracker; ' +
      "aria2c -S $DIR/f.torrent | awk '/Info Hash:/{print $3}' > $DIR/tracker/white; chmod -R a+rX $DIR $DIR/tracker; " +
      '(cd $DIR/tracker; exec opentracker -i $IP -p 6969 -P 6969 -w white -d $DIR/tracker) & ' +
      `sleep 0.3; ${aria} --bt-seed-unverified=true -d $(dirname $SRC) $DIR/f.torrent & sleep 1.2; touch $DIR/ready; wait`,
    ready: 'ready',
    get:
      "mkfifo $DIR/done; printf '#!/bin/sh\\necho done > %s/done\\n' $DIR > $DIR/hook; chmod +x $DIR/hook; mkdir -p $DIR/bt; " +
      `setsid ${aria} -d $DIR/bt --on-bt-download-complete=$DIR/hook $SEED_DIR/f.torrent </dev/null >$DIR/aria.log 2>&1 & ` +
      'read x < $DIR/done; ln $DIR/bt/$(basename $SRC) $OUT',
  },
];

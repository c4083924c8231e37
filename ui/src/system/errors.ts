// Why a target cannot be scraped, in plain words, and what to do.

export interface Plain {
  what: string;
  todo: string;
}

type Rule = readonly [RegExp, string, string];

const RULES: readonly Rule[] = [
  [/connection refused: (\S+)/, "Nobody listens at $1.", "Is the program running, and on this port?"],
  [/^timeout: no complete answer within (\S+(?: s)?)/, "It did not answer within $1.", "Is it overloaded? Its metrics may be slow to make; scrape_timeout may be raised up to scrape_interval."],
  [/cannot resolve (\S+?):/, "The name $1 is not known here.", "Is it spelled right, and known to this machine's DNS?"],
  [/TLS certificate refused: (.*)/, "Its TLS certificate is not trusted ($1).", "Name its authority under tls_config: ca_file, or the right server_name."],
  [/HTTP status 40[13]/, "It wants to know who asks, and did not like the answer.", "Set basic_auth or authorization of the job, or allow this machine there."],
  [/HTTP status 404/, "It answers, but has no metrics at this path.", "Set metrics_path of the job to where they are."],
  [/HTTP status (4\d\d.*)/, "It refuses the request ($1).", "Its own log says why."],
  [/HTTP status (5\d\d.*)/, "It fails by itself ($1).", "Its own log says why."],
  [/unsupported Content-Type (.*?):/, "What it answered are no metrics ($1).", "Is this the right port and path? Set fallback_scrape_protocol if the type alone is wrong."],
  [/body is larger than (\d+) bytes/, "It answered more than $1 bytes.", "Raise body_size_limit of the job, or have it tell less."],
  [/sample.?limit/i, "It tells more series than the job allows.", "Raise sample_limit of the job, or drop series by metric_relabel_configs."],
  [/label.?limit/i, "A series has more labels, or longer ones, than the job allows.", "Raise the label limits of the job, or drop labels by metric_relabel_configs."],
  [/closed the connection/, "It closed the connection without an answer.", "Is it https? Set scheme of the job. Its own log may say more."],
  [/does not answer in HTTP/, "What listens there does not speak HTTP.", "Is this the right port? For https set scheme of the job."],
  [/^line \d+/, "What it answered is not in the exposition format.", "The line is quoted above; the library that makes the metrics must be mended."],
  [/storage takes no samples/, "It answers, but the store cannot take its samples.", "Is the disk full? Backbeat's log says more."],
  [/cannot connect to (\S+):/, "It cannot be reached at $1.", "Is there a network way to it, and no firewall between?"],
];

export function plain(error: string): Plain {
  for (const [pattern, what, todo] of RULES) {
    const found = pattern.exec(error);
    if (found) return { what: what.replace("$1", found[1] ?? ""), todo };
  }
  return { what: error, todo: "Backbeat's log may say more." };
}

// larql certs: a certificate authority for one cluster, its members' certificates, or a secret.

#include "actors/net/certificates.hpp"
#include "actors/net/member_files.hpp"
#include "cli/support/command.hpp"
#include "cli/support/number_check.hpp"
#include "cli/support/table.hpp"
#include "runtime/base/log.hpp"

#include <algorithm>

namespace larql::cli {

namespace {

namespace fs = std::filesystem;

struct options {
  fs::path dir = "certs";
  bool force = false;
  int days = 0; ///< 0: the command's default
  std::string cluster = "larql";
  actors::member_request member;
  std::string role = "node";
  std::vector<std::string> also;
  fs::path secret = "cluster.secret";
};
using options_ptr = std::shared_ptr<options>;

result<void> init(const options& o) {
  const auto days = o.days != 0 ? o.days : actors::authority_days;
  LARQL_TRY_VOID(actors::create_authority(o.dir, o.cluster, days, o.force));
  print("wrote {0}/ca.pem (for every member) and {0}/ca.key (keep it to yourself), valid for "
        "{1} days\n",
        o.dir.string(), days);
  return {};
}

result<void> issue(const options& o) {
  auto request = o.member;
  request.role = o.role == "node"     ? actors::peer_role::node
                 : o.role == "laptop" ? actors::peer_role::laptop
                                      : actors::peer_role::operator_;
  for (const auto& a : o.also)
    (a == actors::sessions_capability ? request.also.sessions : request.also.calls_nodes) = true;
  if (o.days != 0)
    request.days = o.days;
  LARQL_TRY_VOID(actors::issue_certificate(o.dir, request, o.force));
  print("wrote {0}/{1}.pem and {0}/{1}.key for the {2} {1}, valid for {3} days\n", o.dir.string(),
        request.name, o.role, request.days);
  return {};
}

std::string remaining(const actors::certificate_facts& c,
                      std::chrono::system_clock::time_point now) {
  if (c.until < now)
    return "EXPIRED";
  if (c.from > now)
    return "not valid yet";
  const auto days = std::chrono::floor<std::chrono::days>(c.until - now).count();
  return fmt::format("{} days{}", days, c.until - now < actors::expiry_notice ? ", renew it" : "");
}

result<void> list(const options& o) {
  auto files = std::vector<fs::path>{};
  auto error = std::error_code{};
  for (const auto& entry : fs::directory_iterator{o.dir, error})
    if (entry.path().extension() == ".pem")
      files.push_back(entry.path());
  if (error)
    return fail(errc::io, "{}: {}", o.dir.string(), error.message());
  std::sort(files.begin(), files.end());
  auto t = table{{"NAME", "ROLE", "VALID FROM", "UNTIL", "LEFT", "FILE"}};
  const auto now = std::chrono::system_clock::now();
  auto bad = result<void>{};
  for (const auto& file : files) {
    const auto all = actors::read_certificates(file);
    if (!all) { // the others are listed all the same
      bad = all.error();
      continue;
    }
    for (const auto& c : *all)
      t.add({one_line(c.name), one_line(c.role), actors::date_of(c.from), actors::date_of(c.until),
             remaining(c, now), file.filename().string()});
  }
  if (files.empty())
    return fail(errc::not_found, "{}: holds no certificates (*.pem)", o.dir.string());
  print_text(t.text());
  return bad;
}

result<void> secret(const options& o) {
  LARQL_TRY_VOID(actors::create_secret(o.secret, o.force));
  if (o.secret != "-")
    print("wrote {}; every member of the cluster needs a copy\n", o.secret.string());
  return {};
}

void run_with(command_parser command, const options_ptr& o, result<void> (*run)(const options&),
              action& chosen) {
  command.add_flag("--force", o->force, "Replace existing files");
  command.callback([o, run, &chosen] { chosen = [o, run] { return exit_code(run(*o)); }; });
}

} // namespace

void add_certs(command_parser& app, action& chosen) {
  auto command = app.add_command("certs", "Make the certificates of a cluster");
  command.require_command();
  command.footer("larql certs init --cluster home\nlarql certs issue alpha --host 10.0.0.7");
  auto o = std::make_shared<options>();
  const auto days = [&o](command_parser c, const char* help) {
    c.add_option("--days", o->days, help).check(whole_number(1, 36500));
  };
  const auto dir = [&o](command_parser c) {
    c.add_option("--dir", o->dir, "Directory of the authority").show_default();
  };

  auto init_command = command.add_command("init", "Make the authority: ca.pem and ca.key");
  init_command.footer("larql certs init\nlarql certs init --cluster home --dir certs");
  dir(init_command);
  init_command.add_option("--cluster", o->cluster, "Name of the cluster, for people")
      .show_default();
  days(init_command, "Days it is valid (default: 3650)");
  run_with(init_command, o, init, chosen);

  auto issue_command =
      command.add_command("issue", "Make a member's certificate: NAME.pem and NAME.key");
  issue_command.add_option("name", o->member.name, "Of the node, as in the cluster file, or person")
      .required();
  issue_command
      .add_option("--role", o->role,
                  "What it may ask: a node answers calls, a laptop calls, an operator drains and "
                  "restarts as well")
      .one_of({"node", "laptop", "operator"})
      .show_default();
  issue_command.add_option("--host", o->member.hosts,
                           "Name or address of the machine, for the certificate; may be repeated");
  issue_command
      .add_option("--allow", o->also,
                  "What it may beside its role: sessions (a laptop has its sessions at nodes), "
                  "calls-nodes (a node calls others for them); may be repeated")
      .one_of({actors::sessions_capability, actors::calls_nodes_capability});
  issue_command.footer("larql certs issue alpha --host 10.0.0.7\n"
                       "larql certs issue ann --role operator");
  dir(issue_command);
  days(issue_command, "Days it is valid (default: 730)");
  run_with(issue_command, o, issue, chosen);

  auto list_command =
      command.add_command("list", "Show the certificates and until when they are valid");
  dir(list_command);
  list_command.footer("larql certs list\nlarql certs list --dir /etc/larql");
  list_command.callback([o, &chosen] { chosen = [o] { return exit_code(list(*o)); }; });

  auto secret_command =
      command.add_command("secret", "Make a cluster secret, instead of certificates");
  secret_command.add_option("file", o->secret, "File to write").show_default();
  secret_command.footer("larql certs secret\nlarql certs secret cluster.secret --force");
  run_with(secret_command, o, secret, chosen);
}

} // namespace larql::cli

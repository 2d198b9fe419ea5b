#include "actors/net/announce_listener.hpp"

namespace larql::actors {

namespace {

struct announce_handlers {
  decide_fn decide;
  take_fn take;
  accept_admin_fn accept_admin;
};

result<void> receive_node(const announce_handlers& d, secure_stream s, schema::announce node,
                          time_limit until) {
  if (!s.identity().may_serve())
    return refuse(
        s,
        fmt::format("your certificate is one of a {}, expected a node", name_of(s.identity().role)),
        until);
  const auto& proven = s.identity().name;
  const auto decide_on_proven = [&](const schema::announce& n) -> result<schema::accepted> {
    if (!proven.empty() && proven != n.node.node)
      return fail(errc::mismatch, "you call yourself {}, your certificate is for {}", n.node.node,
                  proven);
    return d.decide(n);
  };
  LARQL_TRY(const auto answer, answer_announcement(s, node, decide_on_proven, until));
  if (answer.verdict == schema::verdict::serve)
    d.take(std::move(node.node), std::move(s));
  return {};
}

result<void> receive_admin(const announce_handlers& d, secure_stream s, const schema::hello& hello,
                           time_limit until) {
  if (hello.model)
    return refuse(s, "nodes announce themselves here, calls are not taken", until);
  if (!s.identity().may_call())
    return refuse(s, "your certificate is one of a node, expected a laptop or an operator", until);
  if (!d.accept_admin)
    return refuse(s, "nodes announce themselves here to a program that only looks at them", until);
  return d.accept_admin(std::move(s), until);
}

result<void> receive(const announce_handlers& d, secure_stream s, time_limit until) {
  LARQL_TRY(auto who, read_first_message(s, until));
  if (auto* node = std::get_if<schema::announce>(&who))
    return receive_node(d, std::move(s), std::move(*node), until);
  return receive_admin(d, std::move(s), std::get<schema::hello>(who), until);
}

} // namespace

result<std::unique_ptr<listener>> open_announce_listener(const topology::shard_url& at,
                                                         const tls_context_ptr& tls,
                                                         decide_fn decide, take_fn take,
                                                         accept_admin_fn accept_admin) {
  if (!tls && !is_loopback(at.host))
    return fail(errc::usage,
                "discovery.join is {}: without certificates or a secret only a loopback address "
                "may be listened on",
                host_port(at));
  LARQL_TRY(auto listening, listen_on({at.host, at.port}));
  return std::make_unique<listener>(
      std::move(listening), tls, listener_options{},
      [d = announce_handlers{std::move(decide), std::move(take), std::move(accept_admin)}](
          secure_stream s, time_limit until) { return receive(d, std::move(s), until); });
}

} // namespace larql::actors

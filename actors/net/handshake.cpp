#include "actors/net/handshake.hpp"

#include "actors/net/message_io.hpp"
#include "actors/net/model_match.hpp"

namespace larql::actors {

namespace {

// A description grows with the layers; it is far smaller than any call.
constexpr auto max_description_bytes = schema::max_hello_bytes * 16;

// An answer that is a T, or the peer's refusal.
template <class T>
result<T> answer_of(const secure_stream& s, received_message&& answer, std::string_view asked) {
  const auto* no = std::get_if<schema::refused>(&answer.message);
  if (no != nullptr && no->reason.starts_with(loading_reason))
    return fail(errc::unavailable, "{}: {}", s.peer(), no->reason);
  if (no != nullptr)
    return fail(errc::mismatch, "{}: refused the connection: {}", s.peer(), no->reason);
  auto* yes = std::get_if<T>(&answer.message);
  if (yes == nullptr)
    return fail(errc::corrupt, "{}: answered {} with another message", s.peer(), asked);
  return std::move(*yes);
}

} // namespace

result<void> say_loading(const secure_stream& s, const std::string& what, time_limit until) {
  LARQL_TRY(const auto first, read_message(s, schema::max_hello_bytes, until));
  if (!std::holds_alternative<schema::hello>(first.message))
    return fail(errc::corrupt, "{}: first message is not hello", s.peer());
  const auto text = fmt::format("{}: {}", loading_reason, what);
  return write_message(s, schema::refused{text.substr(0, schema::max_text_bytes)}, until);
}

failure refuse(const secure_stream& s, std::string reason, time_limit until) {
  const auto no = schema::refused{std::move(reason)};
  if (auto written = write_message(s, no, until); !written)
    return std::move(written).error();
  return fail(errc::mismatch, "{}: {}", s.peer(), no.reason);
}

result<schema::node_description> greet_node(const secure_stream& s, const schema::hello& hello,
                                            time_limit until) {
  LARQL_TRY_VOID(write_message(s, hello, until));
  LARQL_TRY(auto answer, read_message(s, max_description_bytes, until));
  LARQL_TRY(auto node, answer_of<schema::node_description>(s, std::move(answer), "hello"));
  if (node.protocol != schema::protocol_version)
    return fail(errc::mismatch, "{}: speaks protocol version {}, expected {}", s.peer(),
                node.protocol, schema::protocol_version);
  return node;
}

result<schema::hello> greet_laptop(const secure_stream& s, const schema::node_description& self,
                                   time_limit until, const std::function<void()>& before_answer) {
  LARQL_TRY(auto first, read_message(s, schema::max_hello_bytes, until));
  const auto* hello = std::get_if<schema::hello>(&first.message);
  if (hello == nullptr)
    return fail(errc::corrupt, "{}: first message is not hello", s.peer());
  if (hello->protocol != schema::protocol_version)
    return refuse(s,
                  fmt::format("protocol version is {}, this node speaks {}", hello->protocol,
                              schema::protocol_version),
                  until);
  if (hello->model)
    if (const auto differs =
            model_difference(self.model, "on the node", *hello->model, "on the laptop");
        !differs.empty())
      return refuse(s, fmt::format("node {} serves another model: {}", self.node, differs), until);
  before_answer();
  LARQL_TRY_VOID(write_message(s, self, until));
  return *hello;
}

result<schema::accepted> announce_to_laptop(const secure_stream& s, const schema::announce& self,
                                            time_limit until) {
  LARQL_TRY_VOID(write_message(s, self, until));
  LARQL_TRY(auto answer, read_message(s, schema::max_hello_bytes, until));
  return answer_of<schema::accepted>(s, std::move(answer), "announce");
}

result<first_message> read_first_message(const secure_stream& s, time_limit until) {
  LARQL_TRY(auto first, read_message(s, max_description_bytes, until));
  auto* node = std::get_if<schema::announce>(&first.message);
  auto* admin = std::get_if<schema::hello>(&first.message);
  if (node == nullptr && admin == nullptr)
    return fail(errc::corrupt, "{}: first message is neither announce nor hello", s.peer());
  const auto protocol = node != nullptr ? node->node.protocol : admin->protocol;
  if (protocol != schema::protocol_version)
    return refuse(s,
                  fmt::format("protocol version is {}, this laptop speaks {}", protocol,
                              schema::protocol_version),
                  until);
  if (node != nullptr)
    return first_message{std::move(*node)};
  return first_message{std::move(*admin)};
}

result<schema::accepted>
answer_announcement(const secure_stream& s, const schema::announce& node,
                    const std::function<result<schema::accepted>(const schema::announce&)>& decide,
                    time_limit until) {
  auto answer = decide(node);
  if (!answer)
    return refuse(s, answer.error().text, until);
  LARQL_TRY_VOID(write_message(s, *answer, until));
  return answer;
}

result<schema::node_list> request_node_list(const secure_stream& s, const schema::hello& hello,
                                            time_limit until) {
  LARQL_TRY_VOID(write_message(s, hello, until));
  LARQL_TRY(auto answer, read_message(s, schema::max_list_bytes, until));
  return answer_of<schema::node_list>(s, std::move(answer), "hello");
}

} // namespace larql::actors

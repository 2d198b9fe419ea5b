#include "actors/net/message_io.hpp"

#include "schema/codec.hpp"

namespace larql::actors {

result<received_message> read_message(const secure_stream& s, std::uint32_t limit,
                                      time_limit until) {
  char header[schema::frame_header_bytes];
  LARQL_TRY_VOID(s.read(header, until));
  auto length = schema::decode_header(header, limit);
  if (!length)
    return std::move(length).error().in(s.peer());
  auto out = received_message{std::make_shared<std::vector<char>>(*length), {}};
  LARQL_TRY_VOID(s.read(*out.buffer, until));
  auto decoded = schema::decode(*out.buffer);
  if (!decoded)
    return std::move(decoded).error().in(s.peer());
  out.message = *std::move(decoded);
  return out;
}

result<void> write_message(const secure_stream& s, const schema::message& m, time_limit until) {
  auto frame = std::vector<char>{};
  schema::encode(m, frame);
  return s.write(frame, until);
}

} // namespace larql::actors

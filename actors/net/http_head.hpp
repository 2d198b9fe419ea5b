// A request's method, path, headers and client, as libmicrohttpd has read them.

#pragma once

#include "actors/net/http_types.hpp"

struct MHD_Connection;

namespace larql::actors {

[[nodiscard]] http_request read_head(MHD_Connection* connection, const char* path,
                                     const char* method, const char* version);

/// The descriptor of the connection.
[[nodiscard]] int descriptor_of(MHD_Connection* connection);

} // namespace larql::actors

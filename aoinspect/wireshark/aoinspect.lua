-- The verdicts that `aoinspect annotate` writes as packet comments, as fields to filter, colour and sort by.
--
--     TCP-AO: OK key=2026q4 keyid=61 rnext=84 sne=0
--     TCP-AO: FAIL reason=mismatch key=2026q4 keyid=61 rnext=84
--     TCP-MD5: UNKNOWN reason=truncated
--
-- A comment counts only if all of it has that form; everybody else's comments are left alone. Lua 5.2 (Wireshark 4.0 and
-- 4.2) and Lua 5.4 (from 4.4 on) both run this.
--
-- SPDX-License-Identifier: Apache-2.0

-- Installed and given with -X lua_script as well, it would be a second protocol of the same name.
if rawget(_G, "aoinspect_is_loaded") then return end
rawset(_G, "aoinspect_is_loaded", true)

if set_plugin_info then
    set_plugin_info({
        version = "1",
        description = "Verdicts of aoinspect on TCP-AO and TCP-MD5",
    })
end

local proto = Proto("aoinspect", "TCP authentication verdict")

local fields = {
    method = ProtoField.string("aoinspect.method", "Method", base.NONE, "TCP-AO or TCP-MD5"),
    verdict = ProtoField.string("aoinspect.verdict", "Verdict", base.NONE, "OK, FAIL or UNKNOWN"),
    reason = ProtoField.string("aoinspect.reason", "Reason", base.NONE, "Why it is not OK"),
    detail = ProtoField.string("aoinspect.detail", "Detail", base.NONE, "What is known beyond the reason"),
    key = ProtoField.string("aoinspect.key", "Key", base.NONE, "Name of the key, as the key file has it"),
    keyid = ProtoField.uint8("aoinspect.keyid", "KeyID", base.DEC, nil, nil, "RFC 5925 2.2"),
    rnext = ProtoField.uint8("aoinspect.rnext", "RNextKeyID", base.DEC, nil, nil, "RFC 5925 2.2"),
    sne = ProtoField.uint32("aoinspect.sne", "Sequence number extension", base.DEC, nil, nil, "RFC 5925 6.2"),
}
proto.fields = {
    fields.method, fields.verdict, fields.reason, fields.detail, fields.key, fields.keyid, fields.rnext, fields.sne,
}

local failed = ProtoExpert.new(
    "aoinspect.expert.fail", "Authentication failed", expert.group.SECURITY, expert.severity.ERROR)
local unknown = ProtoExpert.new(
    "aoinspect.expert.unknown", "Authentication could not be checked", expert.group.SECURITY, expert.severity.NOTE)
proto.experts = { failed, unknown }

local comment_field = Field.new("frame.comment")

local METHODS = { AO = true, MD5 = true }
local VERDICTS = { OK = true, FAIL = true, UNKNOWN = true }
local ORDER = { "reason", "detail", "key", "keyid", "rnext", "sne" }
local LARGEST = { keyid = 255, rnext = 255, sne = 4294967295 }

-- The text between the quote at `start` and the one that ends it, and where what follows begins; nil where none does.
local function quoted(text, start)
    local parts, position = {}, start + 1
    while true do
        local plain, mark, after = text:match('^([^"\\]*)(["\\])()', position)
        if not plain then return nil end
        parts[#parts + 1] = plain
        if mark == '"' then return table.concat(parts), after end
        local escaped = text:sub(after, after)
        -- Other escapes stand for what a line cannot show, and stay as they are.
        parts[#parts + 1] = (escaped == '"' or escaped == "\\") and escaped or "\\" .. escaped
        position = after + 1
    end
end

-- What a comment says, by field; nil if it is none of aoinspect's.
local function parsed(text)
    local method, verdict, position = text:match("^TCP%-(%w+): (%u+)()")
    if not (method and METHODS[method] and VERDICTS[verdict]) then return nil end
    local told = {}
    while position <= #text do
        local name, start = text:match("^ (%l+)=()", position)
        local value, after
        if not name then return nil end
        if text:sub(start, start) == '"' then
            value, after = quoted(text, start)
        else
            value, after = text:match('^([^%s"]+)()', start)
        end
        if not value then return nil end
        told[name], position = value, after
    end
    for name, largest in pairs(LARGEST) do
        if told[name] then
            local number = told[name]:match("^%d+$") and tonumber(told[name])
            if not number or number > largest then return nil end
            told[name] = number
        end
    end
    if not next(told) then return nil end
    told.method, told.verdict = "TCP-" .. method, verdict
    return told
end

local function add(tree, field, value)
    tree:add(field, value):set_generated()
end

local function show(root, tvb, text, told)
    local tree = root:add(proto, tvb(0, 0))
    tree:set_text("TCP authentication verdict: " .. told.verdict .. (told.reason and " (" .. told.reason .. ")" or ""))
    tree:set_generated()
    add(tree, fields.method, told.method)
    add(tree, fields.verdict, told.verdict)
    for _, name in ipairs(ORDER) do
        if told[name] then add(tree, fields[name], told[name]) end
    end
    if told.verdict == "FAIL" then
        tree:add_proto_expert_info(failed, text)
    elseif told.verdict == "UNKNOWN" then
        tree:add_proto_expert_info(unknown, text)
    end
end

function proto.dissector(tvb, pinfo, root)
    for _, comment in ipairs({ comment_field() }) do
        local text = comment.value
        local told = type(text) == "string" and parsed(text)
        if told then show(root, tvb, text, told) end
    end
end

register_postdissector(proto)

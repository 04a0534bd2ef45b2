# ruff: noqa: E501 - lists of scripts
"""cjson, cmsgpack, struct and bit against those of a real server, edge cases above all."""

import pytest

SCRIPTS = [
    "return cjson.encode({1,2,3})", "return cjson.encode({})", "return cjson.encode({a={}})", "return cjson.encode({[1]=1,[3]=3})",
    "return cjson.encode({[1]=1,[100]=3})", "return cjson.encode({[1.5]=1})", "return cjson.encode({[true]=1})", "return cjson.encode(cjson.null)",
    "return cjson.encode('\\0\\1\\31\\127\\255/\"\\\\\\n')", "return cjson.encode(0/0)", "return cjson.encode(1/0)", "return cjson.encode(1e300)",
    "return cjson.encode(0.1)", "return cjson.encode(123456789012345678)", "return cjson.encode(print == nil)", "return cjson.encode(tostring)",
    "return cjson.encode()", "return cjson.encode(1,2)", "return cjson.encode(nil)", "return cjson.encode({1,nil,3})", "return cjson.encode(-0.0)",
    "cjson.encode_invalid_numbers('null') local s = cjson.encode(0/0) cjson.encode_invalid_numbers(false) return s",
    "cjson.encode_invalid_numbers(true) local s = cjson.encode({1/0,-1/0}) cjson.encode_invalid_numbers(false) return s",
    "cjson.encode_sparse_array(true) local s = cjson.encode({[1000]=1}) cjson.encode_sparse_array(false) return s",
    "return {cjson.encode_sparse_array()}", "return {cjson.encode_sparse_array(true,2,10)} ", "return {cjson.encode_sparse_array(false,2,10)}",
    "return cjson.encode_max_depth()", "return cjson.encode_max_depth(0)", "return cjson.decode_max_depth('x')", "return cjson.encode_number_precision(20)",
    "cjson.encode_number_precision(3) local s = cjson.encode(3.14159) cjson.encode_number_precision(14) return s", "return cjson.encode_keep_buffer()",
    "return cjson.encode_invalid_numbers('nope')", "return {cjson.encode_invalid_numbers()}", "return cjson._NAME .. cjson._VERSION",
    "local t = {} for i = 1, 1001 do t = {t} end return cjson.encode(t)", "return cjson.new().encode({1})", "return cjson.encode({{1},{a=1}})",
    *(f"local t = cjson.decode([==[{text}]==]) if type(t) == 'table' then return {{#t, t[1], t[2], t.a, type(t.a)}} end return {{type(t), tostring(t)}}"
      for text in ('[1,2]', '{"a":1}', '{"a":null}', '"x"', '1', '-1.5e3', '1e400', '0x10', '01', '-01', '+1', 'nan', 'NaN', 'inf', '-inf', 'Infinity',
                   '-nan', 'true', 'false', 'null', 'nul', 'tru', '', ' ', '[', '[1', '[1,', '[1,]', '[,1]', '{', '{"a"', '{"a":', '{"a":1', '{"a":1,',
                   '{"a":1,}', '{1:2}', '{"a" 1}', '"', '"a', '"\\u00e9"', '"\\ud83d\\ude00"', '"\\ud83d"', '"\\ude00"', '"\\ud83dx"', '"\\x"',
                   '"\\u12"', '"\\n\\t\\/\\"\\b\\f\\r"', '[1] x', '[1]]', "'a'", '@', '[1 2]', '[[[[]]]]', '{"a":{"b":[1]}}', '\t\n\r [1]', '1.', '.5', '1e', '--1')),
    "return cjson.decode('\\255')", "return cjson.decode('\"\\255\\254\"')", "return cjson.decode('\"a\\0b\"')", "return cjson.decode('\\0\\0')", "return cjson.decode()",
    "return cjson.decode(5)", "return cjson.decode(('['):rep(1001)..(']'):rep(1001))", "return #cjson.decode(('['):rep(1000)..(']'):rep(1000))",
    "return cjson.decode('1 \\0 2')", "return cjson.decode_invalid_numbers()", "return tostring(cjson.null)", "return cjson.decode('[1e5, 1E5, 0.1, -0]')",
    *(f"local s = cmsgpack.pack({value}) return {{s, #s}}"
      for value in ("0", "127", "128", "255", "256", "65535", "65536", "4294967295", "4294967296", "2^53", "2^63", "-1", "-32", "-33", "-128", "-129", "-32768",
                    "-32769", "-2147483648", "-2147483649", "-2^63", "0.5", "0.1", "1/0", "0/0", "-0.0", "1e300", "''", "('x'):rep(31)", "('x'):rep(32)", "('x'):rep(255)",
                    "('x'):rep(256)", "('x'):rep(65535)", "('x'):rep(65536)", "nil", "true", "false", "{}", "{1,2}", "{[1]=1,[3]=3}", "{a=1}", "{[0]=1}", "{[1.5]=1}",
                    "tostring", "1,2,3", "'a',nil,'b'", "{{{}}}", "{[1]=1,a=nil}")),
    "return cmsgpack.pack()", "local t = {} for i = 1, 20 do t = {t} end return cmsgpack.pack(t)", "local t = {} for i = 1, 16 do t[i] = i end return cmsgpack.pack(t)",
    "local t = {} for i = 1, 70000 do t[i] = 1 end return #cmsgpack.pack(t)",
    *(f"local t = {{cmsgpack.unpack({value})}} for i = 1, #t do if type(t[i]) ~= 'table' then t[i] = tostring(t[i]) end end return {{#t, t}}"
      for value in ("'\\1\\2\\3'", "'\\204\\200'", "'\\208\\128'", "'\\205\\1\\2'", "'\\209\\255\\254'", "'\\206\\1\\2\\3\\4'", "'\\210\\255\\255\\255\\254'",
                    "'\\207\\0\\0\\0\\1\\0\\0\\0\\0'", "'\\211\\255\\255\\255\\255\\255\\255\\255\\254'", "'\\202\\63\\128\\0\\0'", "'\\203\\63\\240\\0\\0\\0\\0\\0\\0'",
                    "'\\163abc'", "'\\217\\3abc'", "'\\218\\0\\3abc'", "'\\219\\0\\0\\0\\3abc'", "'\\147\\1\\2\\3'", "'\\220\\0\\2\\1\\2'", "'\\129\\161a\\1'", "'\\192'", "'\\194\\195'",
                    "'\\193'", "'\\163a'", "'\\147\\1'", "'\\129\\1'", "'\\129\\192\\1'", "''", "'\\204'", "5")),
    "return {cmsgpack.unpack_one('\\1\\2\\3')}", "return {cmsgpack.unpack_one('\\1\\2\\3', 2)}", "return {cmsgpack.unpack_one('\\1\\2\\3', 3)}",
    "return {cmsgpack.unpack_one('\\1', 5)}", "return {cmsgpack.unpack_one('\\1', -1)}", "return {cmsgpack.unpack_limit('\\1\\2\\3', 2)}",
    "return {cmsgpack.unpack_limit('\\1\\2\\3', 2, 1)}", "return {cmsgpack.unpack_limit('\\1\\2\\3', 0)}", "return cmsgpack._NAME .. cmsgpack._VERSION",
    *(f"return struct.pack({value})"
      for value in ("'b',-1", "'B',255", "'>h',258", "'<h',258", "'>i',1", "'>i3',-2", "'<I8',2^40", "'>l',-1", "'T',7", "'f',0.5", "'>d',0.1", "'s','ab'", "'c3','abcd'", "'c0','abc'",
                    "'c5','abc'", "'xx'", "'!4bi',1,2", "'!bi',1,2", "'!3b',1", "'i33',1", "'z',1", "'b'", "'b','x'", "' > i2 ',5", "'i16',1", "'>I16',1", "''", "'>f',1/0", "'i0',1")),
    *(f"return {{struct.unpack({value})}}"
      for value in ("'b','\\255'", "'B','\\255'", "'>h','\\1\\2'", "'<h','\\1\\2'", "'>i3','\\255\\255\\254'", "'s','ab\\0c'", "'s','ab'", "'c2','abc'", "'bc0','\\2ab'", "'bc0','\\5ab'",
                    "'c0','a'", "'i','abc'", "'x','a'", "'b','abc',3", "'b','abc',4", "'b','abc',0", "'b','abc',-1", "'!4bi','\\1\\0\\0\\0\\2\\0\\0\\0'", "'>I8','\\0\\0\\1\\0\\0\\0\\0\\0'", "'',''", "'q','a'")),
    "return struct.size('>!4bi2l')", "return struct.size('s')", "return struct.size('c0')", "return struct.size('c10 x')", "return {struct.unpack('>f', struct.pack('>f', 0.5))}",
    *(f"return bit.{call}"
      for call in ("tobit(0xffffffff)", "tobit(0xffffffff+1)", "tobit(2^40+1234)", "tobit(1.5)", "tobit(2.5)", "tobit(-1.5)", "bnot(0)", "band(0x12345678,0xff)", "bor(1,2,4)", "bxor(7,2)",
                   "lshift(1,31)", "lshift(1,32)", "lshift(1,-1)", "rshift(-1,1)", "arshift(-256,4)", "rol(0x12345678,12)", "ror(0x12345678,12)", "ror(1,0)", "bswap(0x12345678)", "tohex(1)",
                   "tohex(-1)", "tohex(255,4)", "tohex(255,-4)", "tohex(255,0)", "tohex(255,20)", "tohex('255')", "tohex()", "band()", "tobit('x')", "tohex(0/0)")),
]  # fmt: skip


@pytest.mark.parametrize("part", range(8))
def test_as_a_real_server(both, part):
    for script in SCRIPTS[part::8]:
        both("EVAL", script, 0)

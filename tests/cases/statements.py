"""More kinds of statements for random programs: classes, closures, views, handles, settings, models.

Importing this adds its makers to those of `programs`.
"""

from __future__ import annotations

from programs import State, maker, pick


@maker(3)
def new_class(s: State) -> str | None:
    name, base = s.new("class"), s.any("class")
    under = f"({base})" if base and base != name and s.rng.random() < 0.6 else ""
    held = s.any("list") or "[]"
    body = s.rng.sample(
        [
            f"    kept = {held}", f"    total = {s.number()}", "    def __init__(self, x=0):\n        self.x = x\n        type(self).made = getattr(type(self), 'made', 0) + 1",
            "    @property\n    def twice(self):\n        self.asked = getattr(self, 'asked', 0) + 1\n        return self.asked",
            "    def __iadd__(self, o):\n        self.added = getattr(self, 'added', []) + [o]\n        return self",
            "    def __len__(self):\n        self.measured = True\n        return 3", "    def __bool__(self):\n        self.tested = getattr(self, 'tested', 0) + 1\n        return True",
            "    def __getitem__(self, k):\n        if k > 2:\n            raise IndexError\n        self.__dict__.setdefault('got', []).append(k)\n        return k",
            "    def __getattr__(self, name):\n        if name.startswith('__') or name in ('asked', 'added', 'got', 'tested'):\n            raise AttributeError(name)\n        return 'none'",
            "    @classmethod\n    def bump(cls):\n        cls.level = getattr(cls, 'level', 0) + 1\n        return cls.level",
            "    def __del__(self):\n        gone.append(1)", "    def __enter__(self):\n        self.inside = True\n        return self\n    def __exit__(self, *a):\n        self.inside = False\n        return True",
            "    def __repr__(self):\n        return f'C({sorted((k, str(v)) for k, v in vars(self).items())})'",
        ],
        s.rng.randint(2, 6),
    )  # fmt: skip
    return f"gone = []\nclass {name}{under}:\n" + "\n".join(body)


@maker(3)
def new_object(s: State) -> str | None:
    kind = s.any("class")
    return f"{s.new('object')} = {kind}()" if kind else None


@maker(5)
def use_object(s: State) -> str | None:
    name = s.any("object")
    if not name:
        return None
    item = s.any("int", "list", "dict") or "1"
    return pick(
        s, f"{name}.x = {item}", f"{name} += {item}", f"{s.new('int')} = len({name})", f"if {name}:\n    pass", f"{s.new('list')} = list({name})",
        f"{s.new('int')} = {name}.twice", f"{s.new('int')} = {name}.bump()", f"{name}.bump()", f"with {name} as w:\n    w.x = {item}\n    1 / 0",
        f"type({name}).total = {s.number()}", f"{name}.kept.append({s.number()})", f"{s.new('object')} = {name}", f"{s.new('object')} = copy.copy({name})",
        f"vars({name})['extra'] = {item}", f"{s.new('dict')} = {name}.__dict__", f"setattr({name}, 'made', {s.number()})", f"{s.new('list')} = [{name}, {name}]",
        f"{s.new('list')} = [str(getattr({name}, 'x', None)), str(getattr({name}, 'got', None)), getattr({name}, 'asked', 0), getattr({name}, 'tested', 0)]",
        f"{s.new('list')} = list(gone)", f"not {name}", f"{name} and 1", f"str({name})", f"{name} = None",
    )  # fmt: skip


@maker(3)
def closures(s: State) -> str | None:
    a, b = s.new("func"), s.new("func")
    if a == b:
        return None
    held = s.any("list") or "[]"
    return (
        f"def pair_{a}(start):\n    box = {held}\n    def put(x=1):\n        nonlocal start\n        start += x\n        box.append(start)\n        return start\n"
        f"    def get(x=0):\n        return start + len(box) + x\n    return put, get\n{a}, {b} = pair_{a}({s.number()})"
    )


@maker(3)
def generators(s: State) -> str | None:
    source = s.any("list") or "[1, 2, 3]"
    name = s.new("iter")
    return pick(
        s, f"def walk_{name}():\n    for e in {source}:\n        got = yield str(e)\n        if got:\n            {source}.append(got)\n{name} = walk_{name}()",
        f"{name} = itertools.chain({source}, [0])", f"{name} = itertools.cycle([1, 2])", f"{name} = (w for e in {source} for w in str(e))", f"{name} = filter(None, map(str, {source}))",
        f"{name}, tee_{name} = itertools.tee({source})", f"{name} = reversed({source})", f"{name} = iter({s.any('dict') or '{1: 2}'}.items())",
    )  # fmt: skip


@maker(3)
def use_generator(s: State) -> str | None:
    name = s.any("iter")
    if not name:
        return None
    return pick(
        s, f"for e in {name}:\n    break", f"{s.new('int')} = sum(1 for _ in itertools.islice({name}, 2))", f"first, *others = itertools.islice({name}, 3)",
        f"{s.new('list')} = [str(next({name}, 'end')), str(next({name}, 'end'))]", f"{s.new('int')} = '1' in itertools.islice({name}, 2)", f"zipped = dict(zip('ab', {name}))",
        f"{s.new('iter')} = enumerate({name})", f"{s.new('iter')} = zip({name}, {name})", f"{name}.send(None)", f"{name}.close()",
    )  # fmt: skip


@maker(5)
def odd_list(s: State) -> str | None:
    name = s.any("list")
    if not name:
        return None
    other = s.any("list") or "[]"
    return pick(
        s, f"push = {name}.append\npush({s.number()})", f"[{name}.append(e) for e in range(2)]", f"{name}.sort(key=lambda e: ({other}.append(0), str(e))[1])",
        f"list(map({name}.append, 'xy'))", f"functools.reduce(lambda a, b: {name}.append(str(b)) or a, [1, 2], 0)", f"{name}[0:0] = {other}[:3]", f"{name}, swapped = {other}, {name}",
        f"{name} *= 2" if s.rng.random() < 0.3 else f"{name} += ('t',)", f"{s.new('list')} = ({name}, {other})[0]", f"heapq.heapify(h := [3, 1, 2]); {name}.append(heapq.heappop(h))",
        f"{s.new('list')} = [*{name}, {other}]", f"{s.new('dict')} = {{'l': {name}, 'n': len({name})}}", f"random.Random(3).shuffle({name})", f"{name}.__setitem__(slice(0, 1), [9])",
        f"operator.iadd({name}, [5])", f"{s.new('list')} = {name} and {other}", f"{s.new('list')} = {name} if len({name}) % 2 else {other}", f"(lambda v: v.append('lam'))({name})",
        f"def poke_{name}(v={name}):\n    v.append('p')\npoke_{name}()", f"weakref_{name} = len({name})", f"{name}.append({name}.pop() if {name} else 0)", f"{name}.append(len(str({name}))); {name}.reverse(); {s.new('int')} = len({name})",
    )  # fmt: skip


@maker(4)
def nested(s: State) -> str | None:
    name = s.any("dict")
    if not name:
        return None
    inner = s.any("list", "dict", "object", "array") or "[]"
    return pick(
        s, f"{name}.setdefault('deep', {{}}).setdefault('er', []).append({s.number()})", f"{name}['in'] = {{'l': [{inner}]}}", f"if 'in' in {name}:\n    {name}['in']['l'].append({s.number()})",
        f"for k, v in {name}.items():\n    if isinstance(v, list):\n        v.append(str(k))", f"{s.new('list')} = list({name}.values())", f"{s.new('dict')} = dict({name})", f"{s.new('dict')} = {{**{name}, 'm': {s.number()}}}",
        f"{s.new('list')} = {name}.setdefault('lst', [])", f"del {name}[next(iter({name}))]", f"{name}.clear()", f"views = {name}.keys()\n{name}['view'] = len(views)", f"{s.new('dict')} = {name}.pop('in', {{}})",
        f"{s.new('dict')} = collections.OrderedDict({name})", f"{name}.move_to_end(next(iter({name})))", f"{s.new('dict')} = collections.defaultdict(list, {name})", f"{name}['miss']", f"{s.new('int')} = len({name})",
        f"{s.new('dict')} = collections.ChainMap({name}, {{'c': 1}}).maps[0]", f"{name}.update(zip('ab', range(2)))", f"{name}[{name}.__len__()] = {inner}",
    )  # fmt: skip


@maker(3)
def buffers(s: State) -> str | None:
    name = s.any("bytes")
    if not name or s.rng.random() < 0.3:
        return f"{s.new('bytes')} = bytearray(b'abcdef')"
    return pick(
        s, f"mv_{name} = memoryview({name})[1:3]\nmv_{name}[0] = 88\nmv_{name}.release()", f"{name} += b'z'", f"{name}[0] = 65", f"{s.new('list')} = list({name})", f"{s.new('bytes')} = {name}", f"{name}.reverse()",
        f"with memoryview({name}) as m:\n    m[-1] = 33", f"np.frombuffer({name}, dtype='u1')[0]", f"view_{name} = np.frombuffer(memoryview({name}), dtype='u1')\nview_{name}[0] = 70\ndel view_{name}",
    )  # fmt: skip


@maker(4)
def array_views(s: State) -> str | None:
    name = s.any("array")
    if not name:
        return None
    return pick(
        s, f"{s.new('array')} = {name}.T", f"{s.new('array')} = np.asarray({name})", f"{s.new('array')} = {name}.view()", f"for q in np.nditer({name}, op_flags=['readwrite']):\n    q[...] = q * 2", f"{name}.flat[0] = {s.number()}",
        f"np.add.at({name}, [0, 0], 1)", f"np.put({name}, [0], [{s.number()}])", f"np.copyto({name}, 1, where={name} > 2)", f"np.random.default_rng(3).shuffle({name})", f"{name}.resize({name}.shape, refcheck=False)", f"{s.new('array')} = np.frombuffer(memoryview({name}.copy()))",
        f"{s.new('list')} = {name}.tolist()", f"{s.new('dict')} = {{'arr': {name}}}", f"{s.new('list')} = [{name}, {name}[:1]]", f"row = {name}[1:2]\nrow += 3", f"{s.new('int')} = float({name}.sum())", f"{s.new('frame')} = pd.DataFrame({{'a': {name}[:2], 'b': {name}[:2]}})",
        f"{s.new('array')} = np.lib.stride_tricks.as_strided({name}, (1,), ({name}.strides[0],))", f"np.sqrt(np.abs({name}), {name})", f"{s.new('array')} = np.ma.masked_array({name}, mask={name} > 3).filled(0)", f"{name}.partition(0)", f"{name}[:], other_{name} = {name}[::-1].copy(), {name}",
    )  # fmt: skip


@maker(4)
def frame_more(s: State) -> str | None:
    name = s.any("frame")
    if not name:
        return None
    n = s.number()
    arr = s.any("array")
    return pick(
        s, f"{name}['w'] = {name}['a'].values * 2", f"col = {name}['a']\ncol.iloc[0] = {n}", f"{s.new('array')} = {name}['a'].to_numpy().copy()", f"{name}.rename(columns={{'a': 'a', 'b': 'B'}}, inplace=True)", f"{name}.loc[len({name})] = 1", f"del {name}['b']",
        f"lim_{name} = {n}\n{s.new('frame')} = {name}.query('a > @lim_{name}')", f"{name}.eval('ev = a + 1', inplace=True)", f"{s.new('frame')} = {name}.groupby('a', as_index=False).sum(numeric_only=True)", f"{name}.fillna(0, inplace=True)", f"{name}.pop('c1')",
        f"for i in {name}.index[:2]:\n    {name}.loc[i, 'a'] = i", f"{name}.at[0, 'a'] = {n}", f"{s.new('frame')} = pd.concat([{name}, {name}], ignore_index=True)", f"{name}.columns.name = 'cols'", f"{name}.sort_values('a', ascending=False, inplace=True)", f"{name}.reset_index(drop=True, inplace=True)",
        f"{s.new('frame')} = {name}", f"{s.new('list')} = {name}['a'].tolist()", f"{name}.loc[{name}['a'] > 2, 'a'] = 0", f"{name}[['p', 'q']] = 1", f"seen_{name} = []\n{name}['a'].apply(seen_{name}.append)\n{s.new('int')} = len(seen_{name})", f"{s.new('frame')} = {name}.pipe(lambda d: d.assign(pi={n}))",
        f"{name}.update(pd.DataFrame({{'a': [{n}]}}))", f"{s.new('list')} = [{name}]", f"{name}['obj'] = [[] for _ in range(len({name}))]", f"{name}['arr'] = {arr}[:1].sum()" if arr else f"{name}['k'] = 1", f"{s.new('int')} = {name}.shape[1]", f"{name}.head(1)['a']",
    )  # fmt: skip


@maker(4)
def handles(s: State) -> str | None:
    path = f"h{s.rng.randint(0, 2)}.txt"
    if path not in s.files:
        s.files.append(path)
    name = s.any("handle")
    value = s.any("int", "list", "dict") or "1"
    if not name or s.rng.random() < 0.3:
        return pick(s, f"{s.new('handle')} = open('{path}', 'a+')", f"{s.new('handle')} = open('{path}', 'w+')", f"{s.new('handle')} = io.StringIO()")
    return pick(
        s, f"{name}.write(str({value}))", f"print({value}, file={name})", f"{name}.seek(0)", f"{s.new('list')} = [{name}.read()]", f"{s.new('int')} = {name}.tell()", f"{name}.flush()", f"{name}.close()", f"{s.new('handle')} = {name}",
        f"with contextlib.redirect_stdout({name}):\n    print('to', {value})", f"json.dump([{s.number()}], {name})", f"{name}.writelines(['a', 'b'])", f"for line in {name}:\n    break", f"{name}.truncate(1)",
    )  # fmt: skip


@maker(3)
def more_files(s: State) -> str | None:
    if not s.files:
        return None
    path, other = s.rng.choice(s.files), s.rng.choice(s.files)
    value = s.any("list", "dict", "int") or "[]"
    return pick(
        s, f"pathlib.Path('{path}').write_text(str({value}))", f"{s.new('list')} = [pathlib.Path('{path}').read_text()]", f"shutil.copy('{path}', '{other}.c')", f"{s.new('int')} = os.path.getsize('{path}')", f"pickle.dump({value}, open('{path}', 'wb'))", f"{s.new('list')} = [pickle.load(open('{path}', 'rb'))]",
        f"os.replace('{path}', '{other}')", f"{s.new('list')} = sorted(p.name for p in pathlib.Path('.').iterdir())", f"name_{s.count} = '{path}'\n{s.new('list')} = [open(name_{s.count}).readline()]", f"with open('{path}') as a, open('{other}', 'a') as b:\n    b.write(a.read())",
        f"with shelve.open('shelf') as sh:\n    sh['k'] = {s.number()}", f"with shelve.open('shelf') as sh:\n    {s.new('list')} = sorted(sh.items())", f"os.truncate('{path}', 1)", f"os.makedirs('sub', exist_ok=True)\nopen('sub/{path}', 'w').write(str({value}))", f"{s.new('list')} = [open('sub/{path}').read()]", f"shutil.rmtree('sub')",
        f"con = sqlite3.connect('db.sqlite')\ncon.execute('create table if not exists t (a)')\ncon.execute('insert into t values ({s.rng.randint(0, 9)})')\ncon.commit()\ncon.close()", f"{s.new('list')} = sqlite3.connect('db.sqlite').execute('select * from t').fetchall()",
    )  # fmt: skip


@maker(3)
def settings(s: State) -> str | None:
    return pick(
        s, f"decimal.getcontext().prec = {s.rng.randint(3, 6)}", f"{s.new('list')} = [str(decimal.Decimal(1) / 3)]", "np.seterr(divide='raise')", "np.seterr(divide='ignore')", f"{s.new('list')} = (np.array([1.0]) / 0).tolist()", f"np.set_printoptions(precision={s.rng.randint(1, 5)})",
        f"{s.new('list')} = [str(np.array([1.23456]))]", f"pd.set_option('display.precision', {s.rng.randint(1, 5)})", f"{s.new('list')} = [str(pd.Series([1.23456]))]", "warnings.simplefilter('error')", "warnings.simplefilter('ignore')",
        f"try:\n    warnings.warn('w')\n    {s.new('int')} = 0\nexcept UserWarning:\n    {s.new('int')} = 1", f"os.chdir('.')", f"math.mine = {s.number()}", f"{s.new('list')} = [getattr(math, 'mine', None)]", f"sys.setrecursionlimit({s.rng.choice([900, 2000])})", f"{s.new('int')} = sys.getrecursionlimit()",
        f"json.JSONEncoder.item_separator = '{s.rng.choice(';|')}'", f"{s.new('list')} = [json.JSONEncoder().encode([1, 2])]", f"Box.more = lambda self: {s.number()}", f"{s.new('list')} = [getattr(Box, 'more', len)([]) if not hasattr(Box, 'more') else Box(0).more()]", f"saved_{s.count} = random.getstate()\nrandom.random()\nrandom.setstate(saved_{s.count})",
    )  # fmt: skip


@maker(2)
def modules(s: State) -> str | None:
    name = f"fm{s.rng.randint(0, 2)}"
    return pick(
        s, f"pathlib.Path('{name}.py').write_text('K = {s.rng.randint(0, 9)}\\nitems = []\\ndef f():\\n    items.append(K)\\n    return len(items) + K\\n')\nimportlib.invalidate_caches()", f"import {name}", f"from {name} import *", f"{s.new('int')} = {name}.f()", f"{name}.K = {s.number()}", f"importlib.reload({name})",
        f"from {name} import K as K_{s.count}\n{s.new('int')} = K_{s.count}", f"sys.modules.pop('{name}', None)", f"{s.new('list')} = {name}.items", f"{name}.items.append('m')",
    )  # fmt: skip


@maker(2)
def models(s: State) -> str | None:
    name = s.any("model")
    if not name or s.rng.random() < 0.3:
        return f"{s.new('model')} = {pick(s, 'LinearRegression()', 'StandardScaler()', 'Ridge(alpha=2.0)', 'make_pipeline(StandardScaler(), Ridge())')}"
    data = f"np.arange(8.0).reshape(4, 2) ** {s.rng.randint(1, 2)}"
    return pick(
        s, f"{name}.fit({data}, [1.0, 2, 3, {s.number()}])", f"_ = {name}.fit({data}, [1.0, 2, 3, 5])", f"{s.new('model')} = {name}.fit({data}, [0.0, 1, 2, 3])", f"{s.new('model')} = clone({name})", f"{s.new('model')} = copy.deepcopy({name})", f"{name}.set_params(**{{k: 3 for k in {name}.get_params() if k.endswith('alpha')}})",
        f"{s.new('list')} = np.round({name}.predict({data}), 6).tolist()", f"{s.new('list')} = np.round({name}.transform({data}), 6).tolist()", f"{name}.score({data}, [1, 2, 3, 4])", f"{name}.coef_[0] = {s.number()}", f"{s.new('list')} = sorted(map(str, vars({name})))", f"{name}.note = {s.number()}",
    )  # fmt: skip


@maker(3)
def partial_effects(s: State) -> str | None:
    name, number = s.any("list"), s.any("int")
    if not name or not number:
        return None
    return pick(
        s, f"{name}.append(1); {number} = {number} + 1; undefined_name", f"for e in range(3):\n    {name}.append(e)\n    {number} = 5 // (1 - e)", f"{number}, b, c = 1, 2", f"def boom_{name}():\n    global {number}\n    {number} = 7\n    {name}.append('b')\n    raise ValueError\nboom_{name}()",
        f"try:\n    boom_{name}()\nfinally:\n    {name}.append('fin')", f"try:\n    {name}.append({number})\n    {name}[99]\nexcept (IndexError, TypeError) as err:\n    {s.new('list')} = [str(err)]\nelse:\n    {number} = 0\nfinally:\n    {name}.append('f')",
        f"with contextlib.suppress(Exception):\n    {number} = len({name})\n    {name}.append(1 / 0)\n    {number} = -1", f"assert len({name}) > 100, {name}.append('assert')", f"{name}[{name}.append('idx') or 99] = 1", f"while True:\n    {number} = len({name})\n    {name}.append(0)\n    if {number} > 2:\n        raise KeyError({number})",
    )  # fmt: skip


@maker(2)
def lives(s: State) -> str | None:
    name = s.any("box", "object")
    if not name:
        return None
    return pick(
        s, f"ref_{name} = weakref.ref({name})", f"{s.new('list')} = [ref_{name}() is None]", f"{name} = None", f"cache_{name} = weakref.WeakValueDictionary(k={name})", f"{s.new('int')} = len(cache_{name})", f"strong_{name} = {name}", f"del strong_{name}", f"del {name}",
    )  # fmt: skip


@maker(3)
def patterns(s: State) -> str | None:
    name, d = s.any("list"), s.any("dict")
    if not name:
        return None
    return pick(
        s, f"match {name}:\n    case [first_{name}, *others_{name}]:\n        {s.new('list')} = others_{name}\n    case _:\n        pass", f"(a_{name}, *b_{name}), c_{name} = ({name} + [0], 1)", f"if (n_{name} := len({name})) > 1:\n    {name}.append(n_{name})", f"{s.new('list')} = [y for e in {name} if (y := str(e))]",
        f"for i_{name}, {name}[0:1] in enumerate([[1], [2]]):\n    pass", f"{s.new('func')} = functools.partial({name}.append, 'part')", f"{s.new('func')} = {name}.pop", f"{s.new('func')} = (lambda x=1, q={name}: len(q) + x)", f"@functools.cache\ndef memo_{name}(k=1):\n    {name}.append(k)\n    return k\nmemo_{name}()\nmemo_{name}()",
        f"class Ctx_{name}:\n    def __enter__(self):\n        {name}.append('in')\n        return {name}\n    def __exit__(self, *a):\n        {name}.append('out')\n        return True\nwith Ctx_{name}() as c:\n    c.append(1)\n    1 / 0\n    c.append(2)",
        f"globals()['{name}'] = {name}[:2]", f"{s.new('list')} = eval('[len({name}), ' + str({s.any('int') or 1}) + ']')", f"exec('for z in range(2):\\n    {name}.append(z)')", f"{s.new('int')} = sum(len(str(v)) for v in {d}.values())" if d else "pass", f"threading.Thread(target={name}.append, args=('t',)).start()", f"th = threading.Thread(target=lambda: {name}.append('late'))\nth.start()\nth.join()",
    )  # fmt: skip


@maker(3)
def polars_frames(s: State) -> str | None:
    name = s.any("polars")
    if not name or s.rng.random() < 0.3:
        return f"{s.new('polars')} = pl.DataFrame({{'a': [{s.number()}, 2, 3], 'b': [0.5, 1.5, 2.5]}})"
    new = f"c{s.rng.randint(0, 3)}"
    return pick(
        s, f"{name}[0, 'a'] = {s.rng.randint(0, 99)}", f"{name}.insert_column(0, pl.Series('{new}', [1] * {name}.height))", f"{name}.drop_in_place('{new}')", f"{name}.extend({name})", f"{name}.columns = ['x' + c for c in {name}.columns]",
        f"{s.new('polars')} = {name}", f"{s.new('polars')} = {name}.clone()", f"{s.new('polars')} = {name}.with_columns({new}=pl.lit({s.number()}))", f"{s.new('list')} = {name}.to_dicts()", f"{s.new('list')} = {name}[{name}.columns[0]].to_list()", f"{name}.hstack([pl.Series('{new}', range({name}.height))], in_place=True)",
        f"{s.new('int')} = {name}.lazy().select(pl.len()).collect().item()", f"s_{name} = {name}[{name}.columns[-1]]\ns_{name}[0] = 7", f"{s.new('list')} = s_{name}.to_list()", f"{name}.write_csv('p.csv')", f"lazy_{name} = pl.scan_csv('p.csv')", f"{s.new('int')} = lazy_{name}.collect().height", f"{s.new('array')} = {name}[{name}.columns[0]].to_numpy()",
    )  # fmt: skip


@maker(3)
def shared_memory(s: State) -> str | None:
    name = s.any("array")
    if not name:
        return f"{s.new('array')} = np.arange(4.0)"
    return pick(
        s, f"arrow_{name} = pa.array({name}.ravel())", f"{s.new('list')} = arrow_{name}.to_pylist()", f"{s.new('array')} = arrow_{name}.to_numpy(zero_copy_only=False)", f"table_{name} = pa.table({{'a': arrow_{name}}})", f"{s.new('list')} = table_{name}.to_pylist()", f"mem_{name} = memoryview({name})", f"{s.new('array')} = np.frombuffer(mem_{name})",
        f"{s.new('array')} = np.asarray({name}).reshape(-1)", f"{s.new('list')} = np.asarray(mem_{name}).tolist()", f"{name}[...] = {s.rng.randint(0, 9)}", f"{s.new('array')} = np.lib.stride_tricks.sliding_window_view({name}.ravel(), 2)", f"{s.new('frame')} = pd.DataFrame({{'a': {name}.ravel()}}, copy=False)",
        f"sparse_{name} = scipy.sparse.csr_matrix({name}.reshape(-1, 1))", f"sparse_{name}.data *= 2", f"{s.new('list')} = sparse_{name}.toarray().tolist()", f"np.add({name}, 1, out={name})", f"{s.new('array')} = np.ma.masked_array({name}, {name} > 1, copy=False)",
    )  # fmt: skip


@maker(3)
def ends(s: State) -> str | None:
    value = s.any("int") or "1"
    return pick(
        s, "near, far = socket.socketpair()", f"near.sendall(str({value}).encode().rjust(4)[:4])", f"far.setblocking(False)\n{s.new('list')} = [far.recv(4)]", "r_end, w_end = os.pipe()\nos.set_blocking(r_end, False)", f"os.write(w_end, str({value}).encode().rjust(4)[:4])", f"{s.new('list')} = [os.read(r_end, 4)]",
        "line = queue.Queue()", f"line.put({value})", f"{s.new('list')} = [line.get_nowait()]", f"{s.new('int')} = line.qsize()", "one, other = multiprocessing.Pipe()", f"one.send([{value}])", f"{s.new('list')} = other.recv() if other.poll() else []", f"{s.new('list')} = [subprocess.run(['cat'], input=str({value}), capture_output=True, text=True).stdout]",
    )  # fmt: skip


@maker(3)
def finalizers(s: State) -> str | None:
    name, log = s.any("box", "object"), s.any("list")
    if not name or not log:
        return None
    return pick(
        s, f"weakref.finalize({name}, {log}.append, 'gone')", f"{name} = None", f"del {name}", f"{name}_again = {name}", f"{name}_again = 1", f"refs = [weakref.ref({name}, lambda r: {log}.append('dead'))]", f"cycle = Box({name})\ncycle.me = cycle\nweakref.finalize(cycle, {log}.append, 'cycle')", "del cycle", "gc.collect()",
        f"class Held:\n    def __del__(self):\n        {log}.append('del')\nheld = Held()", "held = None", f"atexit.register({log}.append, 'exit')", f"{s.new('int')} = len({log})",
    )  # fmt: skip


@maker(2)
def registrations(s: State) -> str | None:
    log, number = s.any("list"), s.number()
    if not log:
        return None
    return pick(
        s, "base = sqlite3.connect(':memory:')", f"base.create_function('mine', 1, lambda x: {log}.append(x) or x + {number})", f"{s.new('list')} = base.execute('select mine(2)').fetchall()", "base.execute('create table if not exists t (v)')", f"base.execute('insert into t values (?)', ({number},))", f"{s.new('list')} = base.execute('select * from t').fetchall()", "base.rollback()", "base.commit()",
        f"np.seterrcall(lambda k, f: {log}.append(k))", "np.seterr(divide='call')", f"@functools.singledispatch\ndef show(x):\n    return {number}", f"@show.register\ndef _(x: list):\n    return len({log})", f"{s.new('list')} = [show([]), show(1)]", "class Shape(abc.ABC):\n    pass", "Shape.register(list)", f"{s.new('list')} = [isinstance([], Shape)]",
        "decimal.getcontext().clear_flags()", f"{s.new('list')} = [str(decimal.Decimal({number}) / 7)]", f"{s.new('list')} = [decimal.getcontext().flags[decimal.Inexact]]", "context = decimal.getcontext()", "context.prec = 5", f"{s.new('list')} = [context.prec]", f"logging.getLogger('x').addHandler(type('H', (logging.Handler,), {{'emit': lambda self, r: {log}.append(r.msg)}})())", "logging.getLogger('x').warning('w')",
    )  # fmt: skip


HEADER = """\
import abc, atexit, collections, contextlib, copy, decimal, functools, gc, heapq, importlib, io, itertools, json, logging, math
import multiprocessing, operator, os, pathlib, pickle, queue, random, shelve, shutil, socket, sqlite3, subprocess, sys, threading, warnings, weakref
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import scipy.sparse
from sklearn.base import clone
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
"""

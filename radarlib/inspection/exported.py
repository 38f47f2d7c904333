"""Judge images with an exported detector: NumPy, OpenCV and ONNX Runtime or OpenVINO, no PyTorch, no radarlib.

python run.py IMAGE … [--out DIR]    beside detector.json and detector.onnx (or .xml)

A line for each, and its map, DIR/IMAGE.map.tiff (DIR: `maps`, in the folder where it is called). IMAGE is a PNG, JPEG
or BMP of 8 or 16 bits, gray or colour: of other kinds OpenCV reads some otherwise than radarlib.
"""

import argparse
import json
import sys
import zlib
from pathlib import Path

import cv2
import numpy as np

HERE = Path(__file__).parent
KINDS = b"\x89PNG", b"\xff\xd8\xff", b"BM"  # how files begin
TOLD = json.loads((HERE / "detector.json").read_text())


def runner():
    """The graph as a function of its inputs, in one thread."""
    if (HERE / "detector.onnx").exists():
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        session = onnxruntime.InferenceSession(HERE / "detector.onnx", options)
        return lambda inputs: session.run(["score", "map"], inputs)
    import openvino

    hints = {"INFERENCE_NUM_THREADS": 1, "INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY"}
    request = openvino.compile_model(HERE / "detector.xml", "CPU", hints).create_infer_request()
    return lambda inputs: [request.infer(inputs)[name] for name in ("score", "map")]


def jpeg(data):
    """Of a JPEG its components, 4 where it is for print, and whether it is whole."""
    at, found = 2, 0
    while at + 9 < len(data) and data[at] == 0xFF:
        if data[at + 1] == 0xFF:  # filled up
            at += 1
            continue
        if 0xC0 <= data[at + 1] <= 0xCF and data[at + 1] not in (0xC4, 0xC8, 0xCC):  # the frame's header
            found = data[at + 9]
        if data[at + 1] == 0xDA:  # the picture, and the marker of its end
            return found, data.find(b"\xff\xd9", at) > 0
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return found, False


def read(path):
    """(H, W) float32 in [-1, 1], upright; 8 or 16 bits, gray or colour. Raises ValueError for what it does not read."""
    data = path.read_bytes()
    inks, whole = jpeg(data) if data.startswith(KINDS[1]) else (0, True)
    if not data.startswith(KINDS) or b"acTL" in data[: max(0, data.find(b"IDAT"))] or inks == 4:
        raise ValueError("neither PNG, JPEG nor BMP with one picture in gray or RGB; save it as PNG")
    if not whole:
        raise ValueError("a JPEG that ends in the middle; copy it again")  # OpenCV would fill up the rest
    try:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_ANYDEPTH | cv2.IMREAD_ANYCOLOR)
    except cv2.error:  # too large
        pixels = None
    if pixels is None:
        raise ValueError("no image that OpenCV reads")
    unit = pixels.astype(np.float32) / np.float32(np.iinfo(pixels.dtype).max)
    if TOLD.get("shape") and list(unit.shape[:2]) != TOLD["shape"]:
        raise ValueError(f"{unit.shape[1]}x{unit.shape[0]} px; the region is for {TOLD['shape'][::-1]}")
    gray = unit
    if data.startswith(KINDS[0]) and data[25] == 4:  # gray with alpha, which OpenCV makes three equal colours
        gray = np.ascontiguousarray(unit[..., 0]) if unit.ndim == 3 else unit
    elif unit.ndim == 3:  # copied, or NumPy adds up otherwise than in radarlib, and another bit is another noise
        gray = np.ascontiguousarray(unit[..., ::-1]) @ np.array([0.2125, 0.7154, 0.0721], np.float32)
    if TOLD["side"] and gray.shape != (TOLD["side"], TOLD["side"]):
        gray = cv2.resize(gray, (TOLD["side"], TOLD["side"]), interpolation=cv2.INTER_AREA)
    if list(gray.shape) != TOLD["size"]:
        raise ValueError(f"{gray.shape[1]}x{gray.shape[0]} px; the detector is for {TOLD['size'][::-1]}")
    image = np.ascontiguousarray(gray.clip(0, 1) * 2 - 1, np.float32)
    if (HERE / "roi.png").exists():  # where nobody looks stands the mean of the rest
        roi = cv2.imread(str(HERE / "roi.png"), cv2.IMREAD_GRAYSCALE) > 0
        image = np.where(roi, image, image[roi].mean(dtype=np.float64)).astype(np.float32)
    return image


def noise(image):
    """The noise that radarlib adds to this image: PyTorch's normal numbers, by Box and Muller from its generator."""
    n, rest = image.size, image.size % 16
    seed = zlib.crc32(image.tobytes(), TOLD["seed"])
    bits = np.random.RandomState(seed).randint(0, 2**32, n + (16 if rest else 0), np.uint32)
    u = ((bits & 0xFFFFFF) * np.float32(2**-24)).astype(np.float32)
    blocks = np.concatenate([u[: n - rest], u[n:]]).reshape(-1, 2, 8)
    radius, angle = np.sqrt(-2 * np.log(1 - blocks[:, 0])), np.float32(2 * np.pi) * blocks[:, 1]
    normal = np.stack([radius * np.cos(angle), radius * np.sin(angle)], 1).reshape(-1)
    if rest:  # PyTorch draws the last 16 anew
        normal = np.concatenate([normal[: n - 16], normal[-16:]])
    return normal.reshape(image.shape)


def main(paths, out):
    """Judge images; 1 where one of them could not be."""
    run, failed = runner(), 0
    for path in paths:
        whole = path.resolve() if ".." in path.parts else path
        file = out / whole.relative_to(whole.anchor)
        try:
            image = read(path)
            score, found = run({"image": image, **({"noise": noise(image)} if TOLD["noise"] else {})})
            file.parent.mkdir(parents=True, exist_ok=True)
            Path(f"{file}.map.tiff").write_bytes(cv2.imencode(".tiff", found)[1].tobytes())
        except (OSError, ValueError) as error:
            told = getattr(error, "filename", None) or path, getattr(error, "strerror", None) or error
            print(*told, sep=": ", file=sys.stderr)
            failed = 1
            continue
        good = np.array(TOLD["calibration"])  # scores of the good images, each by a decision that had not seen it
        p = (1 + np.count_nonzero(good >= score)) / (len(good) + 1)
        verdict = "ANOMALOUS" if score > TOLD["threshold"] else "normal"
        print(f"{path}: {verdict}, score {float(score):.6g}, p {p:.3g}")
    return failed


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Judge images with the detector that lies beside this file.")
    parser.add_argument("image", nargs="+", type=Path)
    parser.add_argument("--out", type=Path, default=Path("maps"), help="for the maps (default: maps)")
    told = parser.parse_args()
    sys.exit(main(told.image, told.out))

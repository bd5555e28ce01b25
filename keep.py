import torch
def half(state): return {k:(v.half() if v.ndim>=2 and v.is_floating_point() else v) for k,v in state.items()}
for a,b in (("D","dreamer"),("J","judge")):
    s=torch.load(f"/work/build/{a}.pt",weights_only=True)
    torch.save({"mean":half(s["mean"]),"heads":s["heads"],"step":s["step"]},f"/work/build/{b}-mean.pt"); print(b,s["step"])

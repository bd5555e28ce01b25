import sys; sys.path.insert(0,"/work/build")
from trial import *
import torch
if __name__=="__main__":
    run=Run(replace(DREAMER,seen=.5,scenes=60000),torch.device("cpu"),Precision("float32",1,"cpu"))
    st=torch.load(sys.argv[1],weights_only=True); st["optimizer"]=st.pop("optimizers")[0] if "optimizers" in st else st["optimizer"]; st.setdefault("dreams",{}); run.restore(st)
    data={k:np.load(Path("/work/build/picturebook/scenes-11-60000")/f"{k}.npy",mmap_mode="r") for k in ("pictures","labels","tokens","attributes")}
    print(run.step*64, evaluate(run,data))

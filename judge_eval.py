import sys; sys.path.insert(0,"/work/build")
from run_judge import *
if __name__=="__main__":
    plan=replace(PLANS["picturebook-judge"],seed=22,scenes=24000)
    run=Run(plan,torch.device("cpu"),Precision("float32",1,"cpu"))
    st=torch.load(B/"J.pt",weights_only=True)
    for k,v in st["mean"].items(): run.mean[k].copy_(v)
    save(run.averaged(),plan,B/"J-model")
